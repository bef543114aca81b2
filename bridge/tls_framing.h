// What a session makes of the bytes of its socket, and of those that are to leave.
//
// All sessions of a worker put their records into one output. It belongs to one call at a time: an
// Output is opened before the call, and empties it on every way out, so that one session's records
// can never leave with another's.
//
// Thread: the worker's. Owner: the endpoint. The staging outlives it. Failure: an outcome, or
// false; the session says why.
#pragma once

#include <memory>
#include <utility>

#include "bridge/read.h"
#include "tls/session.h"
#include "tls/staging.h"

namespace tlsbridge {

class TlsFraming {
 public:
  // What one call adds to the worker's output.
  class Output {
   public:
    explicit Output(tls::Staging* staging);
    Output(const Output&) = delete;
    Output& operator=(const Output&) = delete;
    ~Output() { staging_->ClearOutput(); }

    absl::Span<const uint8_t> records() const { return staging_->output(); }

   private:
    tls::Staging* const staging_;  // Not owned.
  };

  void Begin(std::unique_ptr<tls::Session> session) { session_ = std::move(session); }
  bool active() const { return session_ != nullptr; }

  // What `ciphertext` stands for: what a socket gave, or nothing where a signature was waited for.
  // What the session answers is in the output.
  Read Decrypt(const Read& ciphertext);
  // False if the session has failed.
  [[nodiscard]] bool Encrypt(absl::Span<const uint8_t> plaintext);

  // TLS 1.2 has no half-closed connections: "the other party MUST respond with a close_notify alert
  // of its own and close down the connection immediately" (RFC 5246 section 7.2.1). TLS 1.3 has
  // them (RFC 8446 section 6.1).
  bool MustAnswerCloseNotify() const {
    return active() && session_->close_notify_received() && !session_->can_half_close();
  }

  tls::Session* session() { return session_.get(); }
  const tls::Session* session() const { return session_.get(); }

 private:
  std::unique_ptr<tls::Session> session_;
};

}  // namespace tlsbridge
