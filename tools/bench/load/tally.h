// What went wrong and what was agreed upon, over all connections of a run.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace tlsbridge::bench {

// Any of these makes the figure invalid.
enum class ErrorKind {
  kConnect,
  kHandshake,
  kParameters,  // Another version, cipher or group than was asked for.
  kResumption,  // Not resumed, or resumed when it should not be.
  kEarlyEnd,    // close_notify or FIN before everything was said.
  kTruncated,   // FIN without close_notify before everything was said.
  kReset,
  kIo,
  kData,       // Other bytes, or more, or fewer of them, than were sent.
  kStalled,    // Nothing moved for longer than any healthy proxy needs.
  kProxyGone,  // The CPU time of the proxy could not be read.
  kCount,
};

absl::string_view ErrorName(ErrorKind kind);

class Tally {
 public:
  void Error(ErrorKind kind, absl::string_view detail);
  // The run moves: a stall is measured from here.
  void Progress() { ++progress_; }

  uint64_t progress() const { return progress_; }
  bool clean() const { return total_ == 0; }
  uint64_t count(ErrorKind kind) const { return counts_[static_cast<size_t>(kind)]; }
  // What the first error said; the others are most often the same.
  const std::string& first_detail() const { return first_detail_; }

  // Told, but no error: after our own close_notify and FIN these lose nothing.
  uint64_t ends_without_close_notify = 0;
  uint64_t resets_after_close = 0;
  uint64_t resumed = 0;
  std::string version, cipher, group, certificate;

 private:
  std::array<uint64_t, static_cast<size_t>(ErrorKind::kCount)> counts_ = {};
  uint64_t total_ = 0;
  uint64_t progress_ = 0;
  std::string first_detail_;
};

}  // namespace tlsbridge::bench
