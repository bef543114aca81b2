// Writes metrics as Prometheus reads them: its text format 0.0.4, and OpenMetrics 1.0 (
// prometheus.io/docs/instrumenting/exposition_formats, openmetrics.io).
//
// Thread: any. Failure: none; names are the program's, and what a label holds is escaped.
#pragma once

#include <stdint.h>

#include <initializer_list>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "bridge/duration_histogram.h"

namespace tlsbridge {

class Exposition {
 public:
  enum class Format : uint8_t { kText, kOpenMetrics };
  enum class Type : uint8_t { kCounter, kGauge, kHistogram };
  using Labels = std::initializer_list<std::pair<absl::string_view, absl::string_view>>;

  // The format that an Accept field asks for (RFC 9110, section 12.5.1), as far as that is one of
  // the two.
  static Format Wanted(absl::string_view accept);
  static absl::string_view ContentType(Format format);

  explicit Exposition(Format format) : format_(format) {}

  // What follows belongs to it, until the next one. `name` is without "_total", which a counter's
  // samples get.
  void Begin(absl::string_view name, Type type, absl::string_view help);
  void Sample(Labels labels, uint64_t value);
  void Sample(Labels labels, double value);
  void Sample(Labels labels, const DurationHistogram::Counts& counts);

  // REQUIRES: nothing follows.
  std::string Finish();

 private:
  void BeginSample(absl::string_view suffix, Labels labels, absl::string_view bound = {});
  void Number(uint64_t value);
  void Number(double value);

  const Format format_;
  std::string name_;
  absl::string_view suffix_;
  std::string text_;
};

}  // namespace tlsbridge
