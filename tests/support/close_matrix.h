// The fixture of the close matrix: one connection for one version of TLS, and everything that is
// said of its end: counters, errno, detail and dropped bytes.
//
// Thread: the test's. Owner: gtest. Failure: EXPECTs.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "gtest/gtest.h"
#include "tests/support/log_capture.h"
#include "tests/support/router_fixture.h"

namespace tlsbridge::testing {

// How a connection is expected to have ended.
struct EndedAs {
  TerminationReason reason;
  TerminationReason incoming;
  TerminationReason outgoing;
  std::string error;     // the errno's name
  std::string detail;    // of a failed handshake or session
  bool dropped = false;  // some bytes could not be delivered

  static EndedAs Both(TerminationReason reason, const std::string& error = "",
                      const std::string& detail = "") {
    return {reason, reason, reason, error, detail};
  }
  // No backend was ever dialled.
  static EndedAs Undialled(TerminationReason reason, const std::string& detail = "") {
    return {reason, reason, TerminationReason::kNone, "", detail};
  }
};

class CloseMatrix : public RouterFixture, public ::testing::WithParamInterface<uint16_t> {
 protected:
  TlsPeer::Options Tls() const { return {.version = GetParam()}; }
  bool Tls13() const { return GetParam() == TLS1_3_VERSION; }

  // The router, a client and its backend.
  void Connect();

  [[nodiscard]] bool AllEnded();
  [[nodiscard]] bool ClientEnded();
  [[nodiscard]] bool BackendEnded();
  // The client and the backend hang up properly, and nothing is left.
  [[nodiscard]] bool BothHangUp();
  // True if somebody has dialled the backend.
  bool BackendWasDialled() { return backend_->Accept() != nullptr; }

  // Asserts that one connection has ended, that none lives, and what was counted and logged.
  void ExpectEnd(const EndedAs& expected);
  // The one live connection, as the dump shows it.
  nlohmann::json Dump() const;

  LogCapture log_;
};

std::string TlsVersionName(const ::testing::TestParamInfo<uint16_t>& info);

#define TLSBRIDGE_FOR_BOTH_TLS_VERSIONS(suite)                                            \
  INSTANTIATE_TEST_SUITE_P(Tls, suite, ::testing::Values(TLS1_2_VERSION, TLS1_3_VERSION), \
                           TlsVersionName)
#define TLSBRIDGE_FOR_TLS12(suite) \
  INSTANTIATE_TEST_SUITE_P(Tls, suite, ::testing::Values(TLS1_2_VERSION), TlsVersionName)
#define TLSBRIDGE_FOR_TLS13(suite) \
  INSTANTIATE_TEST_SUITE_P(Tls, suite, ::testing::Values(TLS1_3_VERSION), TlsVersionName)

}  // namespace tlsbridge::testing
