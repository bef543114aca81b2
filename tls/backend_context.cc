#include "tls/backend_context.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "tls/hello/protocol_options.h"
#include "tls/session.h"
#include "tls/version_name.h"

namespace tlsbridge::tls {
namespace {

constexpr size_t kMaxDnsNameBytes = 255;  // RFC 1035 section 3.1
constexpr size_t kMaxAlpnBytes = 255;     // RFC 7301 section 3.1

absl::StatusOr<TrustStore::Name> ParseName(const std::string& text) {
  TrustStore::Name name;
  uint8_t address[sizeof(in6_addr)];
  for (const int family : {AF_INET, AF_INET6}) {
    if (inet_pton(family, text.c_str(), address) != 1) continue;
    name.ip.assign(reinterpret_cast<const char*>(address),
                   family == AF_INET ? sizeof(in_addr) : sizeof(in6_addr));
    return name;
  }
  const bool is_dns =
      !text.empty() && text.size() <= kMaxDnsNameBytes &&
      text.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") ==
          std::string::npos;
  if (!is_dns) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", text, "' is neither a DNS name nor an IP address"));
  }
  name.dns = absl::AsciiStrToLower(text);
  return name;
}

absl::Status SetCertificate(const KeyPair& pair, SSL_CTX* ctx) {
  bool done = SSL_CTX_use_certificate(ctx, pair.chain.front().get()) == 1 &&
              SSL_CTX_use_PrivateKey(ctx, pair.key.get()) == 1;
  for (size_t i = 1; i < pair.chain.size(); ++i) {
    done = done && SSL_CTX_add1_chain_cert(ctx, pair.chain[i].get()) == 1;
  }
  if (done) return absl::OkStatus();
  const char* reason = ERR_reason_error_string(ERR_get_error());
  ERR_clear_error();
  return absl::InvalidArgumentError(
      absl::StrCat("the certificate for backends was refused by BoringSSL: ", reason));
}

absl::Status SetAlpn(const std::vector<std::string>& protocols, SSL_CTX* ctx) {
  std::string wire;
  for (const std::string& protocol : protocols) {
    if (protocol.empty() || protocol.size() > kMaxAlpnBytes) {
      return absl::InvalidArgumentError(
          absl::StrCat("ALPN '", protocol, "' does not have 1 to ", kMaxAlpnBytes, " bytes"));
    }
    wire.push_back(static_cast<char>(protocol.size()));
    wire += protocol;
  }
  // Zero is success, unlike elsewhere.
  if (SSL_CTX_set_alpn_protos(ctx, reinterpret_cast<const uint8_t*>(wire.data()),
                              static_cast<unsigned>(wire.size())) != 0) {
    ERR_clear_error();
    return absl::InvalidArgumentError("the list of ALPN protocols is too long");
  }
  return absl::OkStatus();
}

absl::Status SetProtocol(const BackendOptions& options, SSL_CTX* ctx) {
  if (options.min_version > options.max_version) {
    return absl::InvalidArgumentError("min_version is newer than max_version");
  }
  // Of ciphers and groups the same as a server's.
  const absl::Status status =
      ApplyProtocolOptions({.min_version = VersionName(static_cast<uint16_t>(options.min_version)),
                            .max_version = VersionName(static_cast<uint16_t>(options.max_version))},
                           ctx);
  return status.ok() ? SetAlpn(options.alpn, ctx) : status;
}

// The certificates in `session`; null if one does not parse.
bssl::UniquePtr<STACK_OF(X509)> ChainOf(const SSL_SESSION* session) {
  bssl::UniquePtr<STACK_OF(X509)> chain(sk_X509_new_null());
  const STACK_OF(CRYPTO_BUFFER)* buffers = SSL_SESSION_get0_peer_certificates(session);
  for (size_t i = 0; i < sk_CRYPTO_BUFFER_num(buffers); ++i) {
    bssl::UniquePtr<X509> x509(X509_parse_from_buffer(sk_CRYPTO_BUFFER_value(buffers, i)));
    if (x509 == nullptr || !bssl::PushToStack(chain.get(), std::move(x509))) return nullptr;
  }
  return chain;
}

}  // namespace

BackendContext::BackendContext() : ctx_(SSL_CTX_new(TLS_method())) {}
BackendContext::~BackendContext() = default;

absl::StatusOr<std::shared_ptr<const BackendContext>> BackendContext::Create(
    const BackendOptions& options) {
  std::shared_ptr<BackendContext> made(new BackendContext);
  SSL_CTX* ctx = made->ctx_.get();
  if (absl::Status status = SetProtocol(options, ctx); !status.ok()) return status;
  if (options.certificate != nullptr) {
    if (absl::Status status = SetCertificate(*options.certificate, ctx); !status.ok()) {
      return status;
    }
  }
  if (!options.insecure_skip_verify) {
    auto trust =
        options.trust.ca_pem.empty() ? TrustStore::OfSystem() : TrustStore::Create(options.trust);
    if (!trust.ok()) return trust.status();
    made->trust_ = *std::move(trust);
  }
  if (!options.insecure_skip_verify || !options.verify_name.empty()) {
    auto name = ParseName(options.verify_name);
    if (!name.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("verify_name: ", name.status().message()));
    }
    made->verify_name_ = *std::move(name);
  }
  made->server_name_ = made->verify_name_.dns;
  if (!options.server_name.empty()) {
    auto name = ParseName(options.server_name);
    if (!name.ok() || name->dns.empty()) {
      return absl::InvalidArgumentError(absl::StrCat("server_name: '", options.server_name,
                                                     "' is no DNS name (RFC 6066 section 3)"));
    }
    made->server_name_ = name->dns;
  }
  SSL_CTX_set_max_cert_list(ctx, TrustStore::kMaxCertificateBytes);
  SSL_CTX_set_custom_verify(ctx, SSL_VERIFY_PEER, [](SSL* ssl, uint8_t* alert) {
    return Session::VerifyBackend(ssl, alert);
  });
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(ctx, [](SSL* ssl, SSL_SESSION* session) {
    Session::KeepSession(ssl, bssl::UniquePtr<SSL_SESSION>(session));
    return 1;  // it is ours now
  });
  return made;
}

TrustStore::Problem BackendContext::Verify(const STACK_OF(X509) * chain) const {
  if (trust_ == nullptr) return {};
  return trust_->Verify(chain, TrustStore::Purpose::kServer, &verify_name_);
}

bssl::UniquePtr<SSL_SESSION> BackendContext::TakeSession(absl::string_view backend) const {
  // BoringSSL does not look at the certificates of a resumed session, which may have expired or
  // been revoked since. Asking before it is offered costs a full handshake, not a failed one.
  while (bssl::UniquePtr<SSL_SESSION> session = sessions_.Take(backend)) {
    const bssl::UniquePtr<STACK_OF(X509)> chain = ChainOf(session.get());
    if (chain == nullptr || Verify(chain.get()).why != nullptr) continue;
    if (SSL_SESSION_should_be_single_use(session.get()) == 0) {
      sessions_.Put(backend, bssl::UpRef(session));
    }
    return session;
  }
  return nullptr;
}

void BackendContext::PutSession(absl::string_view backend,
                                bssl::UniquePtr<SSL_SESSION> session) const {
  sessions_.Put(backend, std::move(session));
}

}  // namespace tlsbridge::tls
