// One TLS session, without a socket: ciphertext in, plaintext out, and the reverse. What the
// session with a client (client_session.h) and the one with a backend (backend_session.h) share.
//
// Thread: the worker's. Owner: the endpoint that has the socket. Its Staging must outlive it, and
// its output be taken and cleared after each call, before any session's next.
// Failure: verdicts, never Status: what a peer does is no error of ours. After kFailed only
// failure() and the alert in the staging's output are left to use.
#pragma once

#include <openssl/base.h>
#include <stddef.h>
#include <stdint.h>

#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "tls/callbacks.h"
#include "tls/failure.h"
#include "tls/staging.h"
#include "tls/verdict.h"

namespace tlsbridge::tls {

class Session : public Callbacks {
 public:
  struct Received {
    // In the staging's plaintext(); valid until the next call on any session of this worker.
    absl::Span<const uint8_t> plaintext;
    // kWantRead: all of the ciphertext is used up. kCleanEof, kFailed: these bytes were the last.
    Verdict verdict = Verdict::kWantRead;
    size_t records = 0;  // that the plaintext came in
  };

  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  virtual ~Session();

  // Puts the ClientHello into the staging's output: kWantRead, unless it fails. REQUIRES: a session
  // with a backend, and nothing was received yet.
  Verdict Start();

  // Takes all of `ciphertext` (Staging::kMaxInputBytes at most), goes on with the handshake, and
  // returns the plaintext that it completes. The answer to the peer, if any, is in the staging's
  // output. REQUIRES: none, while what came before waits for a signature.
  Received Receive(absl::Span<const uint8_t> ciphertext);

  // The peer's FIN: says what its stream amounts to. kCleanEof, kTruncated, or kFailed inside a
  // handshake.
  Verdict ReceiveEof();

  // Appends `plaintext` as records to the staging's output. False: the session has failed.
  // REQUIRES: handshake_done().
  bool Send(absl::Span<const uint8_t> plaintext);

  // Appends close_notify (RFC 8446 section 6.1), once; nothing before the handshake is done.
  void SendCloseNotify();

  // Appends the fatal alert internal_error, unless something final has been said already.
  void SendInternalError();

  // The handshake waits for a signature (ClientSession::set_on_signed).
  virtual bool awaits_signature() const { return false; }

  bool handshake_done() const { return handshake_done_; }
  // The beginning of a record has come, and not the rest.
  bool amid_record() const;
  bool close_notify_received() const { return close_notify_received_; }
  // Whether one stream may end before the other: from TLS 1.3 on (RFC 8446 section 6.1).
  bool can_half_close() const;
  const Failure& failure() const { return failure_; }

  // Facts for the record. Empty until known; SNI is known as soon as the ClientHello is whole, also
  // when the handshake then fails. To a backend it is what we send.
  absl::string_view server_name() const;
  absl::string_view alpn() const;
  const char* version() const;
  const char* cipher() const;
  const char* group() const;
  bool resumed() const;

 protected:
  Session(bssl::UniquePtr<SSL> ssl, Staging* staging);

  SSL* ssl() const { return ssl_.get(); }

  // BoringSSL's handshake is done. False: the peer is refused all the same, and has been told why.
  virtual bool LetIn() { return true; }
  // Makes `failure`, of a call that got `ciphertext`, what is known of it at this end.
  virtual Failure Explain(Failure failure, absl::Span<const uint8_t> ciphertext) const = 0;

  // Why the peer's certificate was refused; null if it was not.
  const char* certificate_problem_ = nullptr;

 private:
  // Before each call to BoringSSL.
  void BeginCall();
  Verdict Handshake(absl::Span<const uint8_t> ciphertext);
  Verdict Fail(absl::Span<const uint8_t> ciphertext);

  Staging* const staging_;  // Not owned.
  bssl::UniquePtr<SSL> ssl_;
  std::vector<uint8_t> unread_;  // came behind what awaits_signature()
  Failure failure_;
  bool received_anything_ = false;
  bool handshake_done_ = false;
  bool close_notify_received_ = false;
  bool finished_writing_ = false;
};

}  // namespace tlsbridge::tls
