#include "tls/backend_context.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pool.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "tls/callbacks.h"
#include "tls/certificates/asn1_time.h"
#include "tls/certificates/certificate_uses.h"
#include "tls/certificates/credential.h"
#include "tls/hello/alpn.h"
#include "tls/hello/protocol_options.h"
#include "tls/out_of_memory.h"
#include "tls/staging.h"
#include "tls/trust/peer_signatures.h"
#include "tls/version_name.h"

namespace tlsbridge::tls {
namespace {

constexpr size_t kMaxDnsNameBytes = 255;  // RFC 1035 section 3.1
constexpr size_t kMaxLabelBytes = 63;

// With a dot in front BoringSSL would take it for every name below. What ends like an IP address is
// one with a mistake in it.
bool IsDnsName(absl::string_view text) {
  if (text.size() > kMaxDnsNameBytes) return false;
  const std::vector<absl::string_view> labels = absl::StrSplit(text, '.');
  const bool well_formed = std::all_of(labels.begin(), labels.end(), [](absl::string_view label) {
    return !label.empty() && label.size() <= kMaxLabelBytes &&
           std::all_of(label.begin(), label.end(), [](unsigned char c) {
             return absl::ascii_isalnum(c) || c == '-' || c == '_';
           });
  });
  return well_formed &&
         !std::all_of(labels.back().begin(), labels.back().end(), absl::ascii_isdigit);
}

absl::StatusOr<TrustStore::Name> ParseName(const std::string& text) {
  TrustStore::Name name;
  uint8_t address[sizeof(in6_addr)];
  for (const int family : {AF_INET, AF_INET6}) {
    if (inet_pton(family, text.c_str(), address) != 1) continue;
    name.ip.assign(reinterpret_cast<const char*>(address),
                   family == AF_INET ? sizeof(in_addr) : sizeof(in6_addr));
    return name;
  }
  // The root's dot is in no certificate, and in no SNI (RFC 6066 section 3).
  const absl::string_view dns = absl::StripSuffix(text, ".");
  if (!IsDnsName(dns)) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", text, "' is neither a DNS name nor an IP address"));
  }
  name.dns = absl::AsciiStrToLower(dns);
  return name;
}

absl::Status SetCertificate(const KeyPair& pair, SSL_CTX* ctx) {
  CertificateBytes bytes;
  std::vector<bssl::UniquePtr<CRYPTO_BUFFER>> chain;
  std::vector<CRYPTO_BUFFER*> raw;
  for (const auto& certificate : pair.chain) {
    chain.push_back(bssl::UniquePtr<CRYPTO_BUFFER>(Made(bytes.Of(certificate.get()).release())));
    raw.push_back(chain.back().get());
  }
  if (SSL_CTX_set_chain_and_key(ctx, raw.data(), raw.size(), pair.key.get(),
                                /*privkey_method=*/nullptr) == 1) {
    return absl::OkStatus();
  }
  const char* reason = ERR_reason_error_string(ERR_get_error());
  ERR_clear_error();
  return absl::InvalidArgumentError(
      absl::StrCat("the certificate for backends was refused by BoringSSL: ", reason));
}

absl::Status SetProtocol(const BackendOptions& options, SSL_CTX* ctx) {
  if (options.min_version > options.max_version) {
    return absl::InvalidArgumentError("min_version is newer than max_version");
  }
  // Of ciphers and groups the same as a server's.
  return ApplyProtocolOptions(
      {.min_version = VersionName(static_cast<uint16_t>(options.min_version)),
       .max_version = VersionName(static_cast<uint16_t>(options.max_version)),
       .every_group = true},
      ctx);
}

}  // namespace

BackendContext::BackendContext() : ctx_(Made(SSL_CTX_new(TLS_with_buffers_method()))) {}
BackendContext::~BackendContext() = default;

absl::StatusOr<std::shared_ptr<const BackendContext>> BackendContext::Create(
    const BackendOptions& options) {
  std::shared_ptr<BackendContext> made(new BackendContext);
  SSL_CTX* ctx = made->ctx_.get();
  if (absl::Status status = SetProtocol(options, ctx); !status.ok()) return status;
  auto alpn = EncodeAlpn(options.alpn);
  if (!alpn.ok()) return alpn.status();
  made->alpn_ = *std::move(alpn);
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
                                                     "' is not a DNS name (RFC 6066 section 3)"));
    }
    made->server_name_ = name->dns;
  }
  if (absl::Status status = LimitPeerSignatures(ctx); !status.ok()) return status;
  SSL_CTX_set_max_cert_list(ctx, kMaxChainBytes);
  SSL_CTX_set_custom_verify(ctx, SSL_VERIFY_PEER, [](SSL* ssl, uint8_t* alert) {
    return Staging::CallerOf(ssl)->VerifyPeer(alert);
  });
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(ctx, [](SSL* ssl, SSL_SESSION* session) {
    Staging::CallerOf(ssl)->KeepSession(bssl::UniquePtr<SSL_SESSION>(session));
    return 1;  // it is ours now
  });
  return made;
}

TrustStore::Problem BackendContext::Verify(const STACK_OF(X509) * chain) const {
  TrustStore::Problem unasked;
  unasked.until = absl::InfiniteFuture();
  if (trust_ == nullptr) return unasked;
  return trust_->Verify(chain, TrustStore::Purpose::kServer, &verify_name_);
}

std::string BackendContext::Offer(absl::string_view agreed) const {
  if (agreed.empty() || !AlpnNames(alpn_).Contains(agreed)) return "";
  return absl::StrCat(std::string(1, static_cast<char>(agreed.size())), agreed);
}

SessionCache::Resumable BackendContext::TakeSession(absl::string_view peer) const {
  // BoringSSL does not look at the certificates of a resumed session, which may have expired since.
  // Asking before it is offered costs a full handshake, not a failed one.
  SessionCache::Resumable resumable = sessions_.Take(peer);
  while (resumable.session != nullptr && resumable.trusted_until <= CertificateClock()) {
    resumable = sessions_.Take(peer);
  }
  if (resumable.session != nullptr &&
      SSL_SESSION_should_be_single_use(resumable.session.get()) == 0) {
    sessions_.Put(peer, {bssl::UpRef(resumable.session), resumable.trusted_until});
  }
  return resumable;
}

void BackendContext::PutSession(absl::string_view peer, SessionCache::Resumable resumable) const {
  sessions_.Put(peer, std::move(resumable));
}

}  // namespace tlsbridge::tls
