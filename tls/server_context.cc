#include "tls/server_context.h"

#include <openssl/base.h>
#include <openssl/err.h>
#include <openssl/mem.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "tls/callbacks.h"
#include "tls/certificates/key_kind.h"
#include "tls/hello/alpn.h"
#include "tls/out_of_memory.h"
#include "tls/staging.h"

namespace tlsbridge::tls {

namespace {

// A ticket is 200 bytes on the wire and a signature's worth of CPU to make; one serves the next
// connection.
constexpr size_t kTicketsPerHandshake = 1;

// Tickets are bound to this name: a session of another program is never resumed.
constexpr uint8_t kSessionIdContext[] = "tlsbridge";

using RawChain = absl::InlinedVector<CRYPTO_BUFFER*, 4>;

RawChain Raw(const std::vector<bssl::UniquePtr<CRYPTO_BUFFER>>& chain) {
  RawChain raw;
  for (const auto& certificate : chain) raw.push_back(certificate.get());
  return raw;
}

ssl_verify_result_t AskSession(SSL* ssl, uint8_t* alert) {
  return Staging::CallerOf(ssl)->VerifyPeer(alert);
}

absl::StatusOr<bssl::UniquePtr<SSL_CTX>> MakeContext(const ServerOptions& options,
                                                     absl::Span<const uint16_t> signatures) {
  bssl::UniquePtr<SSL_CTX> ctx(Made(SSL_CTX_new(TLS_with_buffers_method())));
  absl::Status status = ApplyProtocolOptions(options.protocol, ctx.get());
  if (!status.ok()) return status;
  if (SSL_CTX_set_signing_algorithm_prefs(ctx.get(), signatures.data(), signatures.size()) != 1 ||
      SSL_CTX_set_num_tickets(ctx.get(), kTicketsPerHandshake) != 1 ||
      SSL_CTX_set_session_id_context(ctx.get(), kSessionIdContext, sizeof(kSessionIdContext) - 1) !=
          1) {
    ERR_clear_error();
    return absl::InternalError("BoringSSL refused the settings of every server");
  }
  SSL_CTX_set_options(ctx.get(), SSL_OP_CIPHER_SERVER_PREFERENCE);
  // Resumption is by tickets, which cost no memory here.
  SSL_CTX_set_session_cache_mode(ctx.get(), SSL_SESS_CACHE_OFF);
  status = InstallAlpn(options.alpn, ctx.get());
  if (status.ok()) status = ClientVerifier::Install(options.clients, &AskSession, ctx.get());
  if (!status.ok()) return status;
  return ctx;
}

ServerContext::Choice Refuse(FailureDetail detail, const char* reason, int alert) {
  ServerContext::Choice choice;
  choice.failure.detail = detail;
  choice.failure.reason = reason;
  choice.alert = static_cast<uint8_t>(alert);
  return choice;
}

}  // namespace

absl::StatusOr<std::unique_ptr<ServerContext>> ServerContext::Create(const KeyPair& pair,
                                                                     const ClientPolicy& clients) {
  Certificate certificate;
  certificate.pair.name = pair.name;
  certificate.pair.key = bssl::UpRef(pair.key);
  for (const auto& x509 : pair.chain) certificate.pair.chain.push_back(bssl::UpRef(x509));
  auto credential = MakeCredential(certificate);
  if (!credential.ok()) return credential.status();
  ServerOptions options;
  options.certificates = {*std::move(credential)};
  options.clients = clients;
  return Create(options);
}

absl::StatusOr<std::unique_ptr<ServerContext>> ServerContext::Create(const ServerOptions& options) {
  if (options.certificates.empty()) {
    return absl::InvalidArgumentError("certificates: there must be at least one");
  }
  const auto signatures = ParseSignatureAlgorithms(options.protocol.signature_algorithms);
  if (!signatures.ok()) return signatures.status();
  auto ctx = MakeContext(options, *signatures);
  if (!ctx.ok()) return ctx.status();
  std::unique_ptr<ServerContext> context(new ServerContext(*std::move(ctx), *signatures));
  context->alpn_ = options.alpn;
  context->refuse_unknown_sni_ = options.refuse_unknown_sni;
  context->credentials_ = options.certificates;
  if (absl::Status status = context->UseCredentials(); !status.ok()) return status;
  return context;
}

ServerContext::ServerContext(bssl::UniquePtr<SSL_CTX> ctx, absl::Span<const uint16_t> signatures)
    : ctx_(std::move(ctx)), matcher_(ctx_.get(), signatures) {}

ServerContext::~ServerContext() = default;

absl::Status ServerContext::UseCredentials() {
  const auto set = [this](const Credential& credential) {
    const RawChain chain = Raw(credential.chain);
    return SSL_CTX_set_chain_and_key(ctx_.get(), chain.data(), chain.size(), credential.key.get(),
                                     nullptr) == 1;
  };
  for (size_t i = 0; i < credentials_.size(); ++i) {
    const Credential& credential = *credentials_[i];
    const auto refuse = [&credential](absl::string_view what) {
      ERR_clear_error();
      return absl::InvalidArgumentError(
          absl::StrCat(credential.name.empty() ? "certificate" : credential.name, ": ", what));
    };
    if (!matcher_.UsableByAny(credential.kind)) {
      return refuse(absl::StrCat("no client could use its ", KeyKindName(credential.kind),
                                 " key with these versions, ciphers and signature_algorithms"));
    }
    if (!set(credential)) {
      return refuse(
          absl::StrCat("refused by BoringSSL: ", ERR_reason_error_string(ERR_peek_error())));
    }
    index_.Add(static_cast<uint32_t>(i), credential.server_names);
  }
  // So that a session of the first one, mostly the only one, needs nothing more.
  const Credential& first = *credentials_.front();
  set(first);
  if (!first.server_names.empty()) {
    const absl::Span<const uint32_t> same_name = index_.FindExactly(first.server_names.front());
    defaults_.assign(same_name.begin(), same_name.end());
  } else {
    defaults_ = {0};
  }
  return absl::OkStatus();
}

ServerContext::Choice ServerContext::Choose(const ClientHello& hello, absl::Time now) const {
  absl::Span<const uint32_t> candidates = index_.Find(hello.server_name);
  if (candidates.empty() && refuse_unknown_sni_) {
    // RFC 6066 section 3; RFC 8446 section 9.2.
    return hello.server_name.empty()
               ? Refuse(FailureDetail::kUnknownSni, "no server name", SSL_AD_MISSING_EXTENSION)
               : Refuse(FailureDetail::kUnknownSni, "no certificate for this server name",
                        SSL_AD_UNRECOGNIZED_NAME);
  }
  if (AlpnRefuses(alpn_, hello.alpn)) {
    return Refuse(FailureDetail::kNoSharedAlpn, "no application protocol in common",
                  SSL_AD_NO_APPLICATION_PROTOCOL);
  }
  Choice choice;
  choice.credential = &Pick(candidates.empty() ? defaults_ : candidates, hello);
  choice.verifiable = matcher_.VerifiableBy(hello, choice.credential->kind);
  choice.staple = hello.ocsp_wanted && choice.credential->staple.has_value() &&
                  now < choice.credential->staple->next_update;
  return choice;
}

const Credential& ServerContext::Pick(absl::Span<const uint32_t> candidates,
                                      const ClientHello& hello) const {
  const Credential* usable = nullptr;
  for (const uint32_t candidate : candidates) {
    const Credential& credential = *credentials_[candidate];
    if (!matcher_.UsableBy(hello, credential.kind)) continue;
    if (credential.kind != KeyKind::kRsa) return credential;  // the cheapest to sign with
    if (usable == nullptr) usable = &credential;
  }
  // A client that can use none is refused by BoringSSL, which then says why.
  return usable != nullptr ? *usable : *credentials_[candidates.front()];
}

ServerContext::Choice ServerContext::Default() const {
  Choice choice;
  choice.credential = credentials_.front().get();
  return choice;
}

bssl::UniquePtr<SSL> ServerContext::NewSsl(const Choice& choice,
                                           const SSL_PRIVATE_KEY_METHOD* signing) const {
  bssl::UniquePtr<SSL> ssl(Made(SSL_new(ctx_.get())));
  const Credential& credential = *choice.credential;
  if (signing != nullptr || &credential != credentials_.front().get()) {
    const RawChain chain = Raw(credential.chain);
    Done(SSL_set_chain_and_key(ssl.get(), chain.data(), chain.size(),
                               signing == nullptr ? credential.key.get() : nullptr, signing));
  }
  if (choice.staple) {
    const std::string& der = credential.staple->der;
    Done(
        SSL_set_ocsp_response(ssl.get(), reinterpret_cast<const uint8_t*>(der.data()), der.size()));
  }
  SSL_set_accept_state(ssl.get());
  return ssl;
}

const char* LibraryVersion() {
  static const std::string* const version =
      new std::string(absl::StrCat("BoringSSL (API ", BORINGSSL_API_VERSION, ")"));
  return version->c_str();
}

}  // namespace tlsbridge::tls
