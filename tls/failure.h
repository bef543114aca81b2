// Why a TLS session failed: a closed list, which is the log field and the metric label.
//
// Thread: any. Failure: none.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <string>

#include "absl/strings/string_view.h"

namespace tlsbridge::tls {

enum class FailureDetail : uint8_t {
  kNone,
  kTcpProbe,         // connected and left without a byte: a health check, not an error
  kClientGone,       // left in the middle of the handshake
  kPlainHttp,        // an HTTP request on the TLS port
  kNotTls,           // bytes that are no TLS record
  kNoSharedVersion,  // every version that the client offers is too old or too new
  kNoSharedCipher,
  kNoSharedGroup,
  kNoSharedSignature,  // also: the peer signed with an algorithm that it was not offered
  kNoSharedAlpn,
  kUnknownSni,     // no certificate for the name that the client asks for
  kClientAlert,    // the client sent a fatal alert; Failure::alert names it
  kBadRecord,      // a record that does not decrypt or breaks its size limits
  kProtocol,       // any other breach of the protocol by the peer
  kNoClientCert,   // it has none, or none that it could sign with as it was asked to
  kBadClientCert,  // Failure::why says what is wrong with it
  kInternal,       // our own side failed
  // Of a session with a backend; else it fails as above.
  kBackendGone,     // left in the middle of the handshake
  kBackendAlert,    // the backend sent a fatal alert; Failure::alert names it
  kBadBackendCert,  // Failure::why says what is wrong with it
};

inline constexpr size_t kFailureDetails = static_cast<size_t>(FailureDetail::kBadBackendCert) + 1;

struct Failure {
  FailureDetail detail = FailureDetail::kNone;
  // kClientAlert, kBackendAlert: the alert that the peer sent (RFC 8446 section 6). Else -1.
  int16_t alert = -1;
  // kBadClientCert, kBadBackendCert: "expired", "not_yet_valid", "revoked", "wrong_purpose",
  // "weak_signature", "weak_key", "unsupported_key", "chain_too_long", "untrusted", "crl_expired",
  // "crl_invalid", "crl_missing" or "invalid"; of a client also "not_allowed" or "several_uris", of
  // a backend also "wrong_name".
  const char* why = "";
  // BoringSSL's own words, or ours where it was not asked.
  const char* reason = "";
};

// What becomes of a client that is refused.
struct Refusal {
  Failure failure;
  uint8_t alert = 0;  // what it is told (RFC 8446 section 6.2); 0: nothing
};

absl::string_view FailureDetailName(FailureDetail detail);

// "client_alert:unknown_ca", "plain_http", ...: the closed list as logged.
std::string Describe(const Failure& failure);

// The alert's name in lower_snake_case, or "alert_N" for a number that no RFC names.
std::string AlertName(int alert);

// Takes everything out of this thread's BoringSSL error queue and says what it amounts to.
// REQUIRES: a call on a session has just failed.
Failure TakeFailure();

// The same failure of a session whose peer is a backend.
Failure OfBackend(Failure failure);

}  // namespace tlsbridge::tls
