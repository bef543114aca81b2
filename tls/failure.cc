#include "tls/failure.h"

#include <openssl/err.h>
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
      return FailureDetail::kNoSharedSignature;
    case SSL_R_DECRYPTION_FAILED:
    case SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC:
    case SSL_R_ENCRYPTED_LENGTH_TOO_LONG:
    case SSL_R_DATA_LENGTH_TOO_LONG:
    case SSL_R_TOO_MANY_EMPTY_FRAGMENTS:
      return FailureDetail::kBadRecord;
    case ERR_R_MALLOC_FAILURE:
    case ERR_R_INTERNAL_ERROR:
      return FailureDetail::kInternal;
    default:
      return FailureDetail::kProtocol;
  }
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
    case FailureDetail::kClientAlert:
      return "client_alert";
    case FailureDetail::kBadRecord:
      return "bad_record";
    case FailureDetail::kProtocol:
      return "protocol_error";
    case FailureDetail::kInternal:
      return "internal";
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
  if (failure.detail != FailureDetail::kClientAlert) {
    return std::string(FailureDetailName(failure.detail));
  }
  return absl::StrCat("client_alert:", AlertName(failure.alert));
}

Failure TakeFailure() {
  // The first is the cause; later ones are its consequences. But where a cipher failed, only
  // BoringSSL's SSL part knows what that means.
  uint32_t error = ERR_get_error();
  for (uint32_t next = error; next != 0; next = ERR_get_error()) {
    if (ERR_GET_LIB(next) != ERR_LIB_SSL) continue;
    error = next;
    break;
  }
  ERR_clear_error();
  Failure failure;
  if (ERR_GET_LIB(error) != ERR_LIB_SSL) {
    failure.detail = error == 0 ? FailureDetail::kInternal : DetailOf(-1);
    failure.reason = error == 0 ? "no error queued" : ERR_reason_error_string(error);
    return failure;
  }
  const int reason = ERR_GET_REASON(error);
  if (reason >= SSL_AD_REASON_OFFSET) {
    failure.detail = FailureDetail::kClientAlert;
    failure.alert = static_cast<int16_t>(reason - SSL_AD_REASON_OFFSET);
  } else {
    failure.detail = DetailOf(reason);
  }
  failure.reason = ERR_reason_error_string(error);
  return failure;
}

}  // namespace tlsbridge::tls
