// Which certificates, and what goes with them, are in use, and which of them should have been
// renewed by now.
//
// Thread: the control loop's. Owner: the router; the loop outlives it. Failure: none.
#pragma once

#include <map>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "bridge/event/event_loop.h"
#include "bridge/event/timer.h"
#include "router/live/live_config.h"

namespace tlsbridge {

// Every certificate of every route as JSON: its file, names, validity, and why what its files hold
// now is not served, if that is so. OCSP responses, CAs and CRLs likewise, as "others".
std::string CertificatesJson(const LiveConfig& live, absl::Time now);

struct DatedFile;

class ExpiryWatch {
 public:
  // From when on `file` should have been renewed.
  static absl::Time SoonFor(const DatedFile& file);

  // Renewal is due at two thirds of a lifetime, mostly; who has missed that by far is reported.
  static constexpr double kLastPart = 0.1;                             // of its lifetime,
  static constexpr absl::Duration kMostNotice = absl::Hours(14 * 24);  // but this at most
  static constexpr absl::Duration kLooksEvery = absl::Hours(1);    // sooner where something is due,
  static constexpr absl::Duration kLeastPause = absl::Minutes(1);  // but not sooner than this
  static constexpr absl::Duration kTellsEvery = absl::Hours(24);   // of one certificate
  static constexpr int kMostLines = 100;  // in one look; the rest is counted

  // `served` is asked whenever it looks.
  ExpiryWatch(EventLoop* loop, absl::AnyInvocable<const LiveConfig&()> served);

  // Logs `certificate_expires_soon` or `certificate_expired`, or the same of another kind of
  // DatedFile; each once a day, and once more when its date or its state is another. By itself it
  // looks every hour, and when one is due; who serves other files than before asks it to.
  void Check();

 private:
  struct Reported {
    absl::Time when;
    bool expired;
    absl::Time until;
  };

  EventLoop* const loop_;  // Not owned.
  absl::AnyInvocable<const LiveConfig&()> served_;
  std::map<std::string, Reported> reported_;  // by kind and file
  Timer timer_;
};

}  // namespace tlsbridge
