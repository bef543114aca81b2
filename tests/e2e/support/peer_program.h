// A server of somebody else's, such as haproxy or dnsmasq, in the foreground until the object dies.
//
// Threads: one owns it. Failure: Start() fails the test, with what the program wrote.

#pragma once

#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tests/e2e/harness/deadline.h"
#include "tests/e2e/harness/process.h"
#include "tests/e2e/harness/socket.h"

namespace tlsbridge::e2e {

// Returns once somebody listens on `address`; null if nobody does. What listens there gets a
// connection without bytes.
inline std::unique_ptr<Process> StartPeer(std::vector<std::string> argv,
                                          const std::string& address) {
  auto process = Process::Start({.argv = std::move(argv)});
  EXPECT_TRUE(process.ok()) << process.status();
  if (!process.ok()) return nullptr;
  const Deadline deadline(kPatience);
  while (deadline.PollTimeoutMilliseconds() > 0) {
    if (Socket::Connect(address).ok()) return *std::move(process);
    std::this_thread::yield();
  }
  ADD_FAILURE() << "nobody listens on " << address << ": " << (*process)->StdoutText()
                << (*process)->StderrText();
  return nullptr;
}

}  // namespace tlsbridge::e2e
