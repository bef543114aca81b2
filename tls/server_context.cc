#include "tls/server_context.h"

#include <openssl/base.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "tls/session.h"

namespace tlsbridge::tls {
namespace {

// Forward-secret AEAD suites only (RFC 9325 section 4.2). Square brackets are BoringSSL's
// equal-preference groups: the server chooses the group, the client's hardware chooses within it.
// The suites of TLS 1.3 are fixed by BoringSSL.
constexpr char kTls12Ciphers[] =
    "[ECDHE-ECDSA-AES128-GCM-SHA256|ECDHE-ECDSA-CHACHA20-POLY1305]:"
    "[ECDHE-RSA-AES128-GCM-SHA256|ECDHE-RSA-CHACHA20-POLY1305]:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384";
constexpr char kGroups[] = "X25519:P-256:P-384";

// A ticket is 200 bytes on the wire and a signature's worth of CPU to make; one serves the next
// connection.
constexpr size_t kTicketsPerHandshake = 1;

// Tickets are bound to this name: a session of another program is never resumed.
constexpr uint8_t kSessionIdContext[] = "tlsbridge";

absl::Status SetKeyPair(SSL_CTX* ctx, const KeyPair& pair) {
  if (SSL_CTX_use_certificate(ctx, pair.chain.front().get()) != 1 ||
      SSL_CTX_use_PrivateKey(ctx, pair.key.get()) != 1) {
    const char* reason = ERR_reason_error_string(ERR_get_error());
    ERR_clear_error();
    return absl::InvalidArgumentError(absl::StrCat("certificate refused by BoringSSL: ", reason));
  }
  for (size_t i = 1; i < pair.chain.size(); ++i) {
    if (SSL_CTX_add1_chain_cert(ctx, pair.chain[i].get()) != 1) {
      ERR_clear_error();
      return absl::InvalidArgumentError(
          absl::StrCat("certificate ", i + 1, " of the chain was refused by BoringSSL"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<ServerContext>> ServerContext::Create(const KeyPair& pair,
                                                                     const ClientPolicy& clients) {
  bssl::UniquePtr<SSL_CTX> ctx(SSL_CTX_new(TLS_method()));
  if (SSL_CTX_set_min_proto_version(ctx.get(), TLS1_2_VERSION) != 1 ||
      SSL_CTX_set_max_proto_version(ctx.get(), TLS1_3_VERSION) != 1 ||
      SSL_CTX_set_strict_cipher_list(ctx.get(), kTls12Ciphers) != 1 ||
      SSL_CTX_set1_curves_list(ctx.get(), kGroups) != 1 ||
      SSL_CTX_set_num_tickets(ctx.get(), kTicketsPerHandshake) != 1 ||
      SSL_CTX_set_session_id_context(ctx.get(), kSessionIdContext, sizeof(kSessionIdContext) - 1) !=
          1) {
    ERR_clear_error();
    return absl::InternalError("BoringSSL refused the default versions, ciphers or groups");
  }
  SSL_CTX_set_options(ctx.get(), SSL_OP_CIPHER_SERVER_PREFERENCE);
  // Resumption is by tickets, which cost no memory here.
  SSL_CTX_set_session_cache_mode(ctx.get(), SSL_SESS_CACHE_OFF);
  Session::ObserveClientHello(ctx.get());
  if (absl::Status status = SetKeyPair(ctx.get(), pair); !status.ok()) return status;
  if (absl::Status status = ClientVerifier::Install(clients, ctx.get()); !status.ok()) {
    return status;
  }
  return std::unique_ptr<ServerContext>(new ServerContext(std::move(ctx)));
}

ServerContext::ServerContext(bssl::UniquePtr<SSL_CTX> ctx) : ctx_(std::move(ctx)) {}
ServerContext::~ServerContext() = default;

const char* LibraryVersion() {
  static const std::string* const version =
      new std::string(absl::StrCat("BoringSSL (API ", BORINGSSL_API_VERSION, ")"));
  return version->c_str();
}

}  // namespace tlsbridge::tls
