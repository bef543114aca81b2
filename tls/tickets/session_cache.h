// Sessions that backends gave us, to be resumed by later connections to the same backend.
//
// A session of TLS 1.3 is used once, so that nobody who watches can tell that two connections are
// of the same client (RFC 8446 appendix C.4); the caller puts one of TLS 1.2 back.
//
// Thread: any; a lock, held for a few moves of a pointer, once or twice a handshake. Owner: the
// client context. Failure: none; what is too much pushes out the oldest.
#pragma once

#include <openssl/ssl.h>

#include <deque>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "tls/mutex.h"

namespace tlsbridge::tls {

class SessionCache {
 public:
  // A session holds its backend's certificates: some KiB.
  static constexpr size_t kMaxSessions = 64;
  static constexpr size_t kMaxPerBackend = 8;

  SessionCache() = default;
  SessionCache(const SessionCache&) = delete;
  SessionCache& operator=(const SessionCache&) = delete;

  // One whose backend was verified when it was made: the certificates that it showed then are good
  // until `trusted_until`.
  struct Resumable {
    bssl::UniquePtr<SSL_SESSION> session;  // null for none
    absl::Time trusted_until;
  };

  void Put(absl::string_view backend, Resumable resumable);
  // The newest of `backend`.
  Resumable Take(absl::string_view backend);
  size_t size() const;

 private:
  struct Entry {
    std::string backend;
    Resumable resumable;
  };

  mutable Mutex mutex_;
  std::deque<Entry> entries_ ABSL_GUARDED_BY(mutex_);  // newest first
};

}  // namespace tlsbridge::tls
