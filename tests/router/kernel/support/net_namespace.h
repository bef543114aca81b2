// Network namespaces of a test's own: a packet filter and interfaces that nobody else sees.
//
// Thread: one; Enter() moves the calling thread, and its sockets stay where they were opened.
// Owner: the test. Failure: where the kernel allows no namespaces, Unavailable() says why; a test
// skips with it, unless TLSBRIDGE_REQUIRE_NETNS is set, as CI does.
#pragma once

#include <string>

#include "gtest/gtest.h"

namespace tlsbridge::testing {

class NetNamespace {
 public:
  // A new one, with the loopback interface up. REQUIRES: Unavailable() is empty.
  NetNamespace();
  ~NetNamespace();
  NetNamespace(const NetNamespace&) = delete;
  NetNamespace& operator=(const NetNamespace&) = delete;

  void Enter() const;
  // To one that is in nobody's way.
  static void Leave();

  // A path by which other programs find it.
  std::string path() const;

  // Why there can be none; empty if there can. The first call moves the process into a namespace of
  // its own and, as another user than root, into a user namespace.
  static const std::string& Unavailable();

 private:
  int fd_ = -1;
};

// Runs a shell command in the namespace of the calling thread; what it printed, errors too.
struct CommandResult {
  int exit_code = 0;
  std::string output;
};
CommandResult RunCommand(const std::string& command);
// Writes a file below /proc/sys/net of the calling thread's namespace.
bool SetSysctl(const std::string& name, const std::string& value);

// Skips the test, or fails it where they are required, if there can be none.
void NeedNamespaces();

// The fixture of tests that need namespaces.
class NamespaceTest : public ::testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override { NetNamespace::Leave(); }
};

}  // namespace tlsbridge::testing
