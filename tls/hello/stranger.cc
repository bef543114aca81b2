#include "tls/hello/stranger.h"

#include <openssl/ssl.h>
#include <openssl/ssl3.h>

#include "absl/strings/string_view.h"

namespace tlsbridge::tls {
namespace {

constexpr uint8_t kSsl2ClientHello = 1;
constexpr size_t kAlertRecordBytes = SSL3_RT_HEADER_LENGTH + 2;

// Of HTTP/1 and HTTP/2 (RFC 9113 section 3.4). There is no alert for those who could not read it.
constexpr absl::string_view kHttp[] = {"GET ",     "HEAD ",    "POST ",  "PUT ",   "DELETE ",
                                       "CONNECT ", "OPTIONS ", "TRACE ", "PATCH ", "PRI * HTTP/2"};

// A client that says no more than an alert: goodbye, or what it dislikes about us.
std::optional<Refusal> OfAlert(absl::Span<const uint8_t> bytes) {
  if (bytes.size() > 1 && bytes[1] != SSL3_VERSION_MAJOR) {
    return Refusal{{.detail = FailureDetail::kNotTls}, SSL_AD_PROTOCOL_VERSION};
  }
  if (bytes.size() > 4 && (bytes[3] != 0 || bytes[4] != 2)) {
    return Refusal{{.detail = FailureDetail::kProtocol, .reason = "malformed alert"},
                   SSL_AD_DECODE_ERROR};
  }
  if (bytes.size() < kAlertRecordBytes) return std::nullopt;
  if (bytes[5] != SSL3_AL_FATAL) return Refusal{{.detail = FailureDetail::kClientGone}, 0};
  return Refusal{{.detail = FailureDetail::kClientAlert, .alert = bytes[6]}, 0};
}

}  // namespace

std::optional<Refusal> RecogniseStranger(absl::Span<const uint8_t> bytes) {
  const absl::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  for (const absl::string_view method : kHttp) {
    if (text.substr(0, method.size()) == method) {
      return Refusal{{.detail = FailureDetail::kPlainHttp}, 0};
    }
    if (method.substr(0, text.size()) == text) return std::nullopt;
  }
  // The first message may be of SSL 2.0 though the client can do more (RFC 5246 appendix E.2); who
  // does not know TLS 1.2 better is not served (RFC 6176).
  if ((bytes[0] & 0x80) != 0) {
    if (bytes.size() < 3) return std::nullopt;
    if (bytes[2] == kSsl2ClientHello) {
      return Refusal{{.detail = FailureDetail::kNoSharedVersion, .reason = "a hello of SSL 2.0"},
                     SSL_AD_PROTOCOL_VERSION};
    }
  }
  if (bytes[0] == SSL3_RT_ALERT) return OfAlert(bytes);
  if (bytes[0] == SSL3_RT_CHANGE_CIPHER_SPEC || bytes[0] == SSL3_RT_APPLICATION_DATA) {
    if (bytes.size() < 2) return std::nullopt;
    if (bytes[1] == SSL3_VERSION_MAJOR) {  // RFC 8446 section 5
      return Refusal{{.detail = FailureDetail::kProtocol, .reason = "a record before the hello"},
                     SSL_AD_UNEXPECTED_MESSAGE};
    }
  }
  return Refusal{{.detail = FailureDetail::kNotTls}, SSL_AD_PROTOCOL_VERSION};
}

}  // namespace tlsbridge::tls
