#include "router/log/libevent_log.h"

#include <utility>

#include "absl/strings/string_view.h"
#include "bridge/event/clock.h"
#include "bridge/event/libevent_hooks.h"
#include "router/log/log.h"
#include "tls/mutex.h"

namespace tlsbridge {
namespace {

// Each connection may cause one, and their number is the clients' to choose.
constexpr absl::Duration kPause = absl::Seconds(1);

void Log(absl::string_view message) {
  static Mutex mutex;
  static const SystemClock clock;
  static absl::Time next = absl::InfinitePast();
  static int left_out = 0;
  const MutexLock lock(mutex);
  const absl::Time now = clock.Monotonic();
  if (now < next) {
    ++left_out;
    return;
  }
  next = now + kPause;
  LogEvent event(LogLevel::kWarning, "libevent");
  event.Text("message", message);
  if (left_out > 0) event.Number("left_out", std::exchange(left_out, 0));
}

}  // namespace

void SilenceLibevent() {
  SetLibeventWarning([](absl::string_view) {});
}

void LogLibevent() { SetLibeventWarning(&Log); }

}  // namespace tlsbridge
