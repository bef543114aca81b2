// A session with a client: the server's end of the handshake, and who the client is.
//
// Thread, owner, failure: as tls/session.h has it.
#pragma once

#include <openssl/base.h>
#include <stddef.h>
#include <stdint.h>

#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "tls/delegated_signature.h"
#include "tls/failure.h"
#include "tls/server_context.h"
#include "tls/session.h"
#include "tls/signing.h"
#include "tls/staging.h"

namespace tlsbridge::tls {

class ClientSession final : public Session {
 public:
  // REQUIRES: `choice` is of `context`, and not a refusal. A signature that takes long is made by
  // `signer`, if there is one, which must outlive the session.
  static std::unique_ptr<ClientSession> Accept(const ServerContext& context,
                                               const ServerContext::Choice& choice,
                                               Staging* staging, Signer* signer = nullptr);
  // The same with the first certificate.
  static std::unique_ptr<ClientSession> Accept(const ServerContext& context, Staging* staging);

  ~ClientSession() override;

  // Receive() is due, with nothing, when set_on_signed() says that the signature is there, and not
  // before.
  bool awaits_signature() const override;
  // Called from the signer's turn, or amid Receive() if the signature is there at once, where
  // nothing is due. Not after the session is destroyed.
  void set_on_signed(absl::AnyInvocable<void()> on_signed);

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
  const Client* client() const { return handshake_done() ? client_.get() : nullptr; }
  // What an observe-only policy would have refused this client for; kNone otherwise. Its identity
  // is then whatever its certificate says; allowed_by() is empty.
  const Failure& would_refuse() const { return would_refuse_; }

  static constexpr size_t kMaxRefusedIdentity = 256;

 private:
  struct KeyMethod;

  ClientSession(bssl::UniquePtr<SSL> ssl, Staging* staging);

  ssl_verify_result_t VerifyPeer(uint8_t* alert) override;
  void KeepSession(bssl::UniquePtr<SSL_SESSION>) override {}  // none gives us one
  bool LetIn() override;
  Failure Explain(Failure failure, absl::Span<const uint8_t> ciphertext) const override;

  std::unique_ptr<Client> client_;
  // Until the handshake is done, if a signer has to do with it.
  bool verifiable_ = true;  // ServerContext::Choice
  std::unique_ptr<DelegatedSignature> signature_;
  Failure would_refuse_;
};

}  // namespace tlsbridge::tls
