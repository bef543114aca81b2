#include "router/stats/json_writer.h"

#include <charconv>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "router/log/json_string.h"

namespace tlsbridge {

void JsonWriter::BeginValue() {
  if (follows_) text_.push_back(',');
  follows_ = true;
}

JsonWriter& JsonWriter::Open(char bracket) {
  BeginValue();
  text_.push_back(bracket);
  follows_ = false;
  return *this;
}

JsonWriter& JsonWriter::Close(char bracket) {
  text_.push_back(bracket);
  follows_ = true;
  return *this;
}

JsonWriter& JsonWriter::Key(absl::string_view key) {
  BeginValue();
  absl::StrAppend(&text_, "\"", key, "\":");
  follows_ = false;
  return *this;
}

JsonWriter& JsonWriter::Text(absl::string_view value) { return Json(JsonString(value)); }

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
