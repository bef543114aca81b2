// One TLS session, without a socket: ciphertext in, plaintext out, and the reverse. Either end:
// with a client (Accept) or with a backend (Connect).
//
// Thread: the worker's. Owner: the endpoint that has the socket. Its Staging must outlive it.
// Failure: verdicts, never Status: what a peer does is no error of ours. After kFailed only
// failure() and the alert in the staging's output are left to use.
#pragma once

#include <openssl/base.h>
#include <stdint.h>

#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "tls/failure.h"
#include "tls/server_context.h"
#include "tls/signing.h"
#include "tls/staging.h"
#include "tls/verdict.h"

namespace tlsbridge::tls {

class BackendContext;

class Session {
 public:
  struct Received {
    // In the staging's plaintext(); valid until the next call on any session of this worker.
    absl::Span<const uint8_t> plaintext;
    // kWantRead: all of the ciphertext is used up. kCleanEof, kFailed: these bytes were the last.
    Verdict verdict = Verdict::kWantRead;
  };

  // The server's end of a session. REQUIRES: `choice` is of `context`, and not a refusal. A
  // signature that takes long is made by `signer`, if there is one, which must outlive the session.
  static std::unique_ptr<Session> Accept(const ServerContext& context,
                                         const ServerContext::Choice& choice, Staging* staging,
                                         Signer* signer = nullptr);
  // The same with the first certificate.
  static std::unique_ptr<Session> Accept(const ServerContext& context, Staging* staging);
  // For a client of whose bytes ClientHelloReader makes no hello: fails as soon as BoringSSL has
  // read enough to say what is wrong with them. Where it finds nothing wrong, as with a hello
  // blown up by empty records, the client is refused all the same: no route was chosen for it.
  static std::unique_ptr<Session> Reject(const ServerContext& context, Staging* staging);

  // The client's end of a session; Start() begins it. `backend`, its address, tells which of the
  // earlier sessions of `context` may be resumed.
  static std::unique_ptr<Session> Connect(std::shared_ptr<const BackendContext> context,
                                          Staging* staging, absl::string_view backend);

  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session();

  // Puts the ClientHello into the staging's output: kWantRead, unless it fails. REQUIRES: made by
  // Connect(), and nothing was received yet.
  Verdict Start();

  // Takes all of `ciphertext` (Staging::kMaxInputBytes at most), goes on with the handshake, and
  // returns the plaintext that it completes. The answer to the peer, if any, is in the staging's
  // output.
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

  // The handshake waits for a signature: Receive() is due, with nothing, when set_on_signed() says
  // that it is there, and not before.
  bool awaits_signature() const;
  // Called from the signer's turn. Not after the session is destroyed.
  void set_on_signed(absl::AnyInvocable<void()> on_signed);

  bool handshake_done() const { return handshake_done_; }
  // The beginning of a record has come, and not the rest.
  bool amid_record() const;
  bool close_notify_received() const { return close_notify_received_; }
  const Failure& failure() const { return failure_; }

  // Facts for the record. Empty until known; SNI is known as soon as the ClientHello is whole, also
  // when the handshake then fails. To a backend it is what we send.
  absl::string_view server_name() const;
  absl::string_view alpn() const;
  const char* version() const;
  const char* cipher() const;
  const char* group() const;
  bool resumed() const;

  // The client's certificate: who it is for (the name that the rule matched, where it matched one),
  // and the rule that let it in ("any" where there are no rules). Empty without one, and before the
  // handshake is done.
  absl::string_view client_identity() const {
    return client() == nullptr ? absl::string_view() : client()->identity;
  }
  // Who a client that was refused for its certificate says it is; nobody vouches for it. No longer
  // than kMaxRefusedIdentity.
  absl::string_view refused_identity() const {
    return client_ == nullptr || certificate_problem_ == nullptr ? absl::string_view()
                                                                 : client_->identity;
  }
  absl::string_view allowed_by() const {
    return client() == nullptr ? absl::string_view() : client()->allowed_by;
  }
  // For a backend, of a client that showed a certificate; null without one. What of it is the name
  // that the rule matched is ClientVerifier::Decision's to say.
  struct Client {
    std::string identity;
    std::string allowed_by;
    std::string common_name;
    std::string uri;  // empty where none is certain to be meant
  };
  const Client* client() const { return handshake_done_ ? client_.get() : nullptr; }
  // What an observe-only policy would have refused this client for; kNone otherwise. Its identity
  // is then whatever its certificate says; allowed_by() is empty.
  const Failure& would_refuse() const { return would_refuse_; }

  // BoringSSL's question during a handshake; asked through ClientVerifier.
  static ssl_verify_result_t VerifyClient(SSL* ssl, uint8_t* alert);
  // The same of a backend's certificate; asked through BackendContext.
  static ssl_verify_result_t VerifyBackend(SSL* ssl, uint8_t* alert);
  // A session that a backend gives us to resume.
  static void KeepSession(SSL* ssl, bssl::UniquePtr<SSL_SESSION> session);

  // Makes sessions of `ctx` that are to reject their client do so.
  static void ObserveRejections(SSL_CTX* ctx);

  static constexpr size_t kMaxRefusedIdentity = 256;

 private:
  struct Signing;
  // Where this is the client's end.
  struct Backend {
    std::shared_ptr<const BackendContext> context;
    std::string name;
    absl::Time trusted_until;  // what it showed when it was verified is good until then
  };

  Session(bssl::UniquePtr<SSL> ssl, Staging* staging);

  // In a callback of BoringSSL's.
  static Session* Of(const SSL* ssl);
  // Before each call to BoringSSL.
  void BeginCall();

  bool LetIn();
  Verdict Fail();

  Staging* const staging_;  // Not owned.
  bssl::UniquePtr<SSL> ssl_;
  std::unique_ptr<Backend> backend_;  // null: this is the server's end
  std::unique_ptr<Client> client_;
  std::unique_ptr<Signing> signing_;  // until the handshake is done, if a signer has to do with it
  const char* certificate_problem_ = nullptr;  // why the peer's was refused
  Failure failure_;
  Failure would_refuse_;
  bool received_anything_ = false;
  bool handshake_done_ = false;
  bool close_notify_received_ = false;
  bool finished_writing_ = false;
  bool rejecting_ = false;
};

}  // namespace tlsbridge::tls
