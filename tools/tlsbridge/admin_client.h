// Asks the admin server of a running process: one request, one answer, each on a connection of its
// own.
//
// Thread: main's; it waits, for as long as kPatience in all. Failure: a Status of one line that
// says who did not answer, why, and what to do.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "nlohmann/json.hpp"

namespace tlsbridge {

struct AdminAnswer {
  int code = 0;  // HTTP's
  std::string body;
};

class AdminClient {
 public:
  static constexpr absl::Duration kPatience = absl::Seconds(10);

  // `address` is what the process was given as --admin-listen.
  explicit AdminClient(std::string address) : address_(std::move(address)) {}

  absl::StatusOr<AdminAnswer> Get(const std::string& target) const {
    return Ask("GET", target, kPatience);
  }
  // For what changes something, and may take longer.
  absl::StatusOr<AdminAnswer> Post(const std::string& target,
                                   absl::Duration patience = kPatience) const {
    return Ask("POST", target, patience);
  }
  // The document at `target`. Any other answer than 200 is a failure, too.
  absl::StatusOr<nlohmann::ordered_json> GetJson(const std::string& target) const;

  const std::string& address() const { return address_; }

 private:
  absl::StatusOr<AdminAnswer> Ask(absl::string_view method, const std::string& target,
                                  absl::Duration patience) const;
  absl::Status NoTlsbridge() const;

  const std::string address_;
};

// "/connections?peer=..." with what a value may not have escaped (RFC 3986, section 2.1).
void AppendParameter(absl::string_view name, absl::string_view value, std::string* target);

}  // namespace tlsbridge
