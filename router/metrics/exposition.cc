#include "router/metrics/exposition.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace tlsbridge {
namespace {

constexpr absl::string_view kOpenMetricsType = "application/openmetrics-text";

// In a help text a quote stands for itself.
void AppendEscaped(absl::string_view value, bool quoted, std::string* text) {
  for (const char c : value) {
    if (c == '\n') {
      text->append("\\n");
      continue;
    }
    if (c == '\\' || (c == '"' && quoted)) text->push_back('\\');
    text->push_back(c);
  }
}

// 1 where it says nothing, 0 for "not this one".
double Quality(absl::string_view parameters) {
  for (const absl::string_view parameter : absl::StrSplit(parameters, ';')) {
    const absl::string_view stripped = absl::StripAsciiWhitespace(parameter);
    double q = 0;
    if (stripped.size() > 2 && absl::EqualsIgnoreCase(stripped.substr(0, 2), "q=") &&
        absl::SimpleAtod(stripped.substr(2), &q)) {
      return q;
    }
  }
  return 1;
}

}  // namespace

Exposition::Format Exposition::Wanted(absl::string_view accept) {
  double open_metrics = 0;
  double text = 0;
  for (const absl::string_view range : absl::StrSplit(accept, ',')) {
    const std::pair<absl::string_view, absl::string_view> parts =
        absl::StrSplit(range, absl::MaxSplits(';', 1));
    const absl::string_view type = absl::StripAsciiWhitespace(parts.first);
    const double q = Quality(parts.second);
    if (absl::EqualsIgnoreCase(type, kOpenMetricsType)) open_metrics = std::max(open_metrics, q);
    if (absl::EqualsIgnoreCase(type, "text/plain")) text = std::max(text, q);
  }
  // Whoever takes both alike has named OpenMetrics, which says more.
  return open_metrics > 0 && open_metrics >= text ? Format::kOpenMetrics : Format::kText;
}

absl::string_view Exposition::ContentType(Format format) {
  return format == Format::kOpenMetrics
             ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
             : "text/plain; version=0.0.4; charset=utf-8";
}

void Exposition::Begin(absl::string_view name, Type type, absl::string_view help) {
  const bool counter = type == Type::kCounter;
  name_ = std::string(name);
  suffix_ = counter ? "_total" : "";
  const absl::string_view types[] = {"counter", "gauge", "histogram"};
  // OpenMetrics names a counter without the suffix of its samples.
  const absl::string_view shown = format_ == Format::kOpenMetrics ? "" : suffix_;
  absl::StrAppend(&text_, "# HELP ", name_, shown, " ");
  AppendEscaped(help, /*quoted=*/format_ == Format::kOpenMetrics, &text_);
  absl::StrAppend(&text_, "\n# TYPE ", name_, shown, " ", types[static_cast<size_t>(type)], "\n");
}

void Exposition::BeginSample(absl::string_view suffix, Labels labels, absl::string_view bound) {
  absl::StrAppend(&text_, name_, suffix);
  char before = '{';
  for (const auto& [name, value] : labels) {
    text_.push_back(before);
    absl::StrAppend(&text_, name, "=\"");
    AppendEscaped(value, /*quoted=*/true, &text_);
    text_.push_back('"');
    before = ',';
  }
  if (!bound.empty()) {
    text_.push_back(before);
    absl::StrAppend(&text_, "le=\"", bound, "\"");
    before = ',';
  }
  text_.append(before == '{' ? " " : "} ");
}

void Exposition::Number(uint64_t value) { absl::StrAppend(&text_, value, "\n"); }

void Exposition::Number(double value) {
  if (std::isnan(value) || std::isinf(value)) {
    text_.append(std::isnan(value) ? "NaN\n" : value > 0 ? "+Inf\n" : "-Inf\n");
    return;
  }
  char digits[32];
  const std::to_chars_result end = std::to_chars(digits, digits + sizeof(digits), value);
  text_.append(digits, static_cast<size_t>(end.ptr - digits));
  text_.push_back('\n');
}

void Exposition::Sample(Labels labels, uint64_t value) {
  BeginSample(suffix_, labels);
  Number(value);
}

void Exposition::Sample(Labels labels, double value) {
  BeginSample(suffix_, labels);
  Number(value);
}

void Exposition::Sample(Labels labels, const DurationHistogram::Counts& counts) {
  // OpenMetrics wants canonical numbers: "1.0", not "1".
  static constexpr absl::string_view kBounds[] = {"0.001", "0.0025", "0.005", "0.01", "0.05",
                                                  "0.25",  "1.0",    "5.0",   "+Inf"};
  static_assert(std::size(kBounds) == DurationHistogram::kBounds.size() + 1);
  uint64_t sum = 0;
  for (size_t i = 0; i < counts.buckets.size(); ++i) {
    sum += counts.buckets[i];
    BeginSample("_bucket", labels, kBounds[i]);
    Number(sum);
  }
  BeginSample("_sum", labels);
  Number(static_cast<double>(counts.nanoseconds) / 1e9);
  BeginSample("_count", labels);
  Number(sum);
}

std::string Exposition::Finish() {
  if (format_ == Format::kOpenMetrics) text_.append("# EOF\n");
  return std::move(text_);
}

}  // namespace tlsbridge
