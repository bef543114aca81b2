#include "tls/failure.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace tlsbridge::tls {
namespace {

FailureDetail DetailOf(int reason) {
  switch (reason) {
    case SSL_R_HTTP_REQUEST:
    case SSL_R_HTTPS_PROXY_REQUEST:
      return FailureDetail::kPlainHttp;
    case SSL_R_WRONG_VERSION_NUMBER:
      return FailureDetail::kNotTls;
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_INAPPROPRIATE_FALLBACK:
      return FailureDetail::kNoSharedVersion;
    case SSL_R_NO_SHARED_CIPHER:
    case SSL_R_NO_CIPHERS_SPECIFIED:
      return FailureDetail::kNoSharedCipher;
    case SSL_R_NO_SHARED_GROUP:
    case SSL_R_WRONG_CURVE:
      return FailureDetail::kNoSharedGroup;
    case SSL_R_NO_COMMON_SIGNATURE_ALGORITHMS:
    case SSL_R_WRONG_SIGNATURE_TYPE:  // the peer signed with one that it was not offered
      return FailureDetail::kNoSharedSignature;
    case SSL_R_NO_APPLICATION_PROTOCOL:
      return FailureDetail::kNoSharedAlpn;
    case SSL_R_DECRYPTION_FAILED:
    case SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC:
    case SSL_R_ENCRYPTED_LENGTH_TOO_LONG:
    case SSL_R_DATA_LENGTH_TOO_LONG:
    case SSL_R_TOO_MANY_EMPTY_FRAGMENTS:
      return FailureDetail::kBadRecord;
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
      return FailureDetail::kNoClientCert;
    case ERR_R_MALLOC_FAILURE:
    case ERR_R_INTERNAL_ERROR:
      return FailureDetail::kInternal;
    default:
      return FailureDetail::kProtocol;
  }
}

// What is wrong with the peer's certificate, where BoringSSL finds that before we do; null if it is
// something else.
const char* CertificateProblemOf(uint32_t first, int reason) {
  const bool is_unknown_key =
      (ERR_GET_LIB(first) == ERR_LIB_EVP && ERR_GET_REASON(first) == EVP_R_UNSUPPORTED_ALGORITHM) ||
      (ERR_GET_LIB(first) == ERR_LIB_EC && ERR_GET_REASON(first) == EC_R_UNKNOWN_GROUP);
  if (is_unknown_key || reason == SSL_R_BAD_ECC_CERT) return "unsupported_key";
  return reason == SSL_R_KEY_USAGE_BIT_INCORRECT ? "wrong_purpose" : nullptr;
}

}  // namespace

absl::string_view FailureDetailName(FailureDetail detail) {
  switch (detail) {
    case FailureDetail::kNone:
      return "none";
    case FailureDetail::kTcpProbe:
      return "tcp_probe";
    case FailureDetail::kClientGone:
      return "client_gone";
    case FailureDetail::kPlainHttp:
      return "plain_http";
    case FailureDetail::kNotTls:
      return "not_tls";
    case FailureDetail::kNoSharedVersion:
      return "no_shared_version";
    case FailureDetail::kNoSharedCipher:
      return "no_shared_cipher";
    case FailureDetail::kNoSharedGroup:
      return "no_shared_group";
    case FailureDetail::kNoSharedSignature:
      return "no_shared_signature";
    case FailureDetail::kNoSharedAlpn:
      return "no_shared_alpn";
    case FailureDetail::kUnknownSni:
      return "unknown_sni";
    case FailureDetail::kClientAlert:
      return "client_alert";
    case FailureDetail::kBadRecord:
      return "bad_record";
    case FailureDetail::kProtocol:
      return "protocol_error";
    case FailureDetail::kNoClientCert:
      return "no_client_cert";
    case FailureDetail::kBadClientCert:
      return "bad_client_cert";
    case FailureDetail::kInternal:
      return "internal";
    case FailureDetail::kBackendGone:
      return "backend_gone";
    case FailureDetail::kBackendAlert:
      return "backend_alert";
    case FailureDetail::kBadBackendCert:
      return "bad_backend_cert";
  }
  return "internal";
}

std::string AlertName(int alert) {
  std::string name = SSL_alert_desc_string_long(alert);
  if (name == "unknown") return absl::StrCat("alert_", alert);
  absl::AsciiStrToLower(&name);
  std::replace(name.begin(), name.end(), ' ', '_');
  return name;
}

std::string Describe(const Failure& failure) {
  const absl::string_view name = FailureDetailName(failure.detail);
  switch (failure.detail) {
    case FailureDetail::kClientAlert:
    case FailureDetail::kBackendAlert:
      return absl::StrCat(name, ":", AlertName(failure.alert));
    case FailureDetail::kBadClientCert:
    case FailureDetail::kBadBackendCert:
      return absl::StrCat(name, ":", failure.why);
    default:
      return std::string(name);
  }
}

Failure TakeFailure() {
  // The first error of the TLS layer is the cause; what came before is from the layers below it
  // ("bad decrypt"), what came after are consequences.
  const uint32_t first = ERR_peek_error();
  uint32_t error = 0;
  while (const uint32_t next = ERR_get_error()) {
    if (error == 0 && ERR_GET_LIB(next) == ERR_LIB_SSL) error = next;
  }
  Failure failure;
  if (first == 0) {
    failure.detail = FailureDetail::kInternal;
    return failure;
  }
  failure.detail = FailureDetail::kProtocol;
  failure.reason = ERR_reason_error_string(error != 0 ? error : first);
  const int reason = ERR_GET_REASON(error);
  if (error != 0 && reason >= SSL_AD_REASON_OFFSET) {
    failure.detail = FailureDetail::kClientAlert;
    failure.alert = static_cast<int16_t>(reason - SSL_AD_REASON_OFFSET);
  } else if (error != 0) {
    failure.detail = DetailOf(reason);
  }
  if (failure.detail == FailureDetail::kProtocol) {
    if (const char* why = CertificateProblemOf(first, reason)) {
      failure.detail = FailureDetail::kBadClientCert;
      failure.why = why;
    }
  }
  return failure;
}

Failure OfBackend(Failure failure) {
  switch (failure.detail) {
    case FailureDetail::kTcpProbe:
    case FailureDetail::kClientGone:
      failure.detail = FailureDetail::kBackendGone;
      break;
    case FailureDetail::kClientAlert:
      failure.detail = FailureDetail::kBackendAlert;
      break;
    case FailureDetail::kBadClientCert:
      failure.detail = FailureDetail::kBadBackendCert;
      break;
    default:
      break;
  }
  return failure;
}

}  // namespace tlsbridge::tls
