// Addresses that a test can name before anybody listens there. Any thread.

#pragma once

#include <unistd.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "tests/e2e/harness/tcp_backend.h"

namespace tlsbridge::e2e {

// An IP address of loopback that no other test uses: connections of theirs, which begin at
// 127.0.0.1, cannot take its ports.
inline std::string OwnLoopback(int number = 1) {
  const int id = getpid();
  return absl::StrCat("127.", 64 + id / 251 % 128, ".", id % 251 + 1, ".", number);
}

// A port there that was free a moment ago.
inline std::string FreeAddress(int number = 1) {
  return TcpBackend([](Socket&) {}, absl::StrCat(OwnLoopback(number), ":0")).address();
}

inline std::string PortOf(const std::string& address) {
  return address.substr(address.rfind(':') + 1);
}

}  // namespace tlsbridge::e2e
