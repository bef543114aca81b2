#include "router/stats/json_writer.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"

namespace tlsbridge {
namespace {

bool IsPlain(absl::string_view value) {
  return std::all_of(value.begin(), value.end(),
                     [](unsigned char c) { return c >= ' ' && c < 0x7f && c != '"' && c != '\\'; });
}

}  // namespace

std::string JsonString(absl::string_view value) {
  if (IsPlain(value)) return absl::StrCat("\"", value, "\"");
  return nlohmann::json(std::string(value))
      .dump(-1, ' ', /*ensure_ascii=*/true, nlohmann::json::error_handler_t::replace);
}

void JsonWriter::BeginValue() {
  if (follows_) text_.push_back(',');
  follows_ = true;
}

JsonWriter& JsonWriter::BeginObject() {
  BeginValue();
  text_.push_back('{');
  follows_ = false;
  return *this;
}

JsonWriter& JsonWriter::EndObject() {
  text_.push_back('}');
  follows_ = true;
  return *this;
}

JsonWriter& JsonWriter::BeginArray() {
  BeginValue();
  text_.push_back('[');
  follows_ = false;
  return *this;
}

JsonWriter& JsonWriter::EndArray() {
  text_.push_back(']');
  follows_ = true;
  return *this;
}

JsonWriter& JsonWriter::Key(absl::string_view key) {
  BeginValue();
  absl::StrAppend(&text_, "\"", key, "\":");
  follows_ = false;
  return *this;
}

JsonWriter& JsonWriter::Text(absl::string_view value) {
  BeginValue();
  if (IsPlain(value)) {
    absl::StrAppend(&text_, "\"", value, "\"");
  } else {
    text_ += JsonString(value);
  }
  return *this;
}

JsonWriter& JsonWriter::Number(uint64_t value) {
  BeginValue();
  absl::StrAppend(&text_, value);
  return *this;
}

JsonWriter& JsonWriter::Number(int64_t value) {
  BeginValue();
  absl::StrAppend(&text_, value);
  return *this;
}

JsonWriter& JsonWriter::Number(double value) {
  if (std::isnan(value) || std::isinf(value)) return Null();
  BeginValue();
  char digits[32];
  const std::to_chars_result end = std::to_chars(digits, digits + sizeof(digits), value);
  text_.append(digits, static_cast<size_t>(end.ptr - digits));
  return *this;
}

JsonWriter& JsonWriter::Flag(bool value) {
  BeginValue();
  text_ += value ? "true" : "false";
  return *this;
}

JsonWriter& JsonWriter::Null() {
  BeginValue();
  text_ += "null";
  return *this;
}

JsonWriter& JsonWriter::Time(absl::Time value) {
  if (value == absl::InfinitePast() || value == absl::InfiniteFuture()) return Null();
  return Text(absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", value, absl::UTCTimeZone()));
}

JsonWriter& JsonWriter::Json(absl::string_view document) {
  BeginValue();
  absl::StrAppend(&text_, document);
  return *this;
}

}  // namespace tlsbridge
