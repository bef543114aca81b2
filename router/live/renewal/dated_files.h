// What a route's files say of how long they are good for, whatever they hold.
//
// Thread: any. Failure: none.
#pragma once

#include <string>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "router/live/live_config.h"

namespace tlsbridge {

struct DatedFile {
  // "certificate", "ocsp", "client_ca", "crl", "backend_certificate" or "backend_ca"
  const char* kind;
  std::string name;
  absl::Time from;
  // Of several CRLs the first to end, since each is needed. Of several CAs the first to end of
  // those that are still good, since an old one may stay beside its successor.
  absl::Time until;           // the infinite future for never
  absl::string_view problem;  // why what it holds now is not used; empty if it is
};

void ForEachDatedFile(const LiveRoute& route, absl::Time now,
                      absl::FunctionRef<void(const DatedFile&)> visit);

}  // namespace tlsbridge
