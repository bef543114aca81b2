#include "tools/tlsbridge/admin_text.h"

#include <math.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"

namespace tlsbridge {
namespace {

// What a terminal would take for a command stays out.
std::string Printable(absl::string_view text) {
  std::string printable;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      absl::StrAppend(&printable, "\\x", absl::Hex(byte, absl::kZeroPad2));
    } else {
      printable.push_back(c);
    }
  }
  return printable;
}

// As Short() writes it.
bool IsNumber(absl::string_view cell) {
  if (cell == "-") return true;
  if (!cell.empty() && absl::ascii_isupper(static_cast<unsigned char>(cell.back()))) {
    cell.remove_suffix(1);
  }
  absl::ConsumeSuffix(&cell, "k");
  return !cell.empty() && std::all_of(cell.begin(), cell.end(), [](unsigned char c) {
    return absl::ascii_isdigit(c) || c == '.';
  });
}

}  // namespace

std::string Short(double number) {
  constexpr const char* kUnits[] = {"", "k", "M", "G", "T", "P"};
  size_t unit = 0;
  while (fabs(number) >= 1000 && unit + 1 < std::size(kUnits)) {
    number /= 1000;
    ++unit;
  }
  if (unit == 0 && number == floor(number)) return absl::StrFormat("%.0f", number);
  return absl::StrFormat("%.*f%s", fabs(number) < 10 ? 1 : 0, number, kUnits[unit]);
}

std::string Span(double seconds) {
  if (seconds < 0.001) return absl::StrFormat("%.0f us", seconds * 1e6);
  if (seconds < 1) return absl::StrFormat("%.*f ms", seconds < 0.01 ? 1 : 0, seconds * 1e3);
  if (seconds < 120) return absl::StrFormat("%.*f s", seconds < 10 ? 1 : 0, seconds);
  if (seconds < 7200) return absl::StrFormat("%.0f min", seconds / 60);
  if (seconds < 172800) return absl::StrFormat("%.0f h", seconds / 3600);
  return absl::StrFormat("%.0f d", seconds / 86400);
}

std::string TextTable::ToString() const {
  std::vector<size_t> widths(rows_[0].size(), 0);
  for (const auto& row : rows_) {
    for (size_t i = 0; i < widths.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const auto& row : rows_) {
    std::string line;
    for (size_t i = 0; i < widths.size(); ++i) {
      // A title stands over its column as that is aligned.
      const std::string& like = &row == rows_.data() && rows_.size() > 1 ? rows_[1][i] : row[i];
      const std::string pad(widths[i] - row[i].size(), ' ');
      absl::StrAppend(&line, i == 0 ? "" : "  ", IsNumber(like) ? pad + row[i] : row[i] + pad);
    }
    absl::StrAppend(&text, absl::StripTrailingAsciiWhitespace(line), "\n");
  }
  return text;
}

std::string TextOf(const AdminJson& json, const char* key) {
  const AdminJson& member = MemberOf(json, key);
  if (member.is_string()) return Printable(member.get_ref<const std::string&>());
  if (member.is_number() || member.is_boolean()) return member.dump();
  return "-";
}

double NumberOf(const AdminJson& json, const char* key) {
  const AdminJson& member = MemberOf(json, key);
  return member.is_number() ? member.get<double>() : 0;
}

const AdminJson& MemberOf(const AdminJson& json, const char* key) {
  static const auto* const none = new AdminJson;
  if (!json.is_object()) return *none;
  const auto found = json.find(key);
  return found == json.end() ? *none : *found;
}

std::string FailureText(const AdminJson& failure) {
  return absl::StrCat(TextOf(failure, "time"), " ", TextOf(failure, "line"), "\n");
}

std::string ConnectionsText(const AdminJson& connections) {
  TextTable table({"ID", "PEER", "ROUTE", "BACKEND", "STATE", "AGE", "IDLE", "RECEIVED", "SENT"});
  for (const AdminJson& record : MemberOf(connections, "records")) {
    const bool by_kernel = record.contains("engine");
    table.Add({TextOf(record, "id"), TextOf(record, "peer"), TextOf(record, "route"),
               TextOf(record, "backend"), TextOf(record, "state"),
               Span(NumberOf(record, "age_seconds")),
               record.contains("idle_seconds") ? Span(NumberOf(record, "idle_seconds")) : "-",
               Short(NumberOf(record, by_kernel ? "ip_bytes_received" : "bytes_received")),
               Short(NumberOf(record, by_kernel ? "ip_bytes_sent" : "bytes_sent"))});
  }
  return table.empty() ? "no connections\n" : table.ToString();
}

}  // namespace tlsbridge
