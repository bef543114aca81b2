// The fixture of tests of the kernel engine: the program on a router between clients and backends,
// each in a network namespace of its own (tests/router/kernel/support/topology.h).
//
// The program listens on 10.7.1.1:443, and its configuration is Config(). Backends say who they
// are: a backend at 10.7.2.11 answers the line "who" by "11", ends its stream at "leave" without a
// word, and answers any other by itself.
//
// Thread: the test's. Owner: the test. Failure: skipped without namespaces.

#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tests/e2e/harness/socket.h"
#include "tests/e2e/harness/tcp_backend.h"
#include "tests/e2e/harness/tlsbridge_test.h"
#include "tests/router/kernel/support/topology.h"

namespace tlsbridge::e2e {

class KernelTest : public TlsbridgeTest {
 protected:
  static constexpr char kListener[] = "10.7.1.1:443";

  void SetUp() override;
  void TearDown() override;

  // In its namespace: 10.7.2.`last`:9001.
  struct Server {
    // Does not say that it is well, though it serves.
    std::atomic<bool> sick = false;
    std::unique_ptr<TcpBackend> listener;
    int connections() const { return listener->connections_accepted(); }
  };
  Server& Serve(int last);
  void Stop(int last);  // refuses

  // One route to these backends; `route` and `top` are further keys, a line each.
  static std::string Config(const std::vector<int>& backends,
                            const std::vector<std::string>& route = {},
                            const std::vector<std::string>& top = {});
  // Starts the program in the router's namespace.
  void Start(const std::string& yaml);
  TlsbridgeOptions OptionsFor(const std::string& yaml);

  // A client's connection. The client's address is `from`; by default 10.7.1.2.
  absl::StatusOr<Socket> Dial(const std::string& from = "10.7.1.2",
                              const std::string& to = kListener);
  // One whose backend has said who it is: "11"; "error" if none did.
  struct Talk {
    std::string backend = "error";
    std::unique_ptr<Socket> socket;
    // Whether a line comes back.
    bool Talks();
  };
  Talk Open(const std::string& from = "10.7.1.2", const std::string& to = kListener);
  // Who serves so many connections, one after the other, each of which is over then.
  std::vector<std::string> ServedBy(int connections);

  // A client that the kernel did not take says what a TLS client says first.
  static std::string ClientHello();

  // The first that ends with this reason.
  nlohmann::json EndFor(const std::string& reason);

  testing::Topology& net() { return *net_; }
  testing::CommandResult OnRouter(const std::string& command);

 private:
  std::unique_ptr<testing::Topology> net_;
  std::unique_ptr<Server> servers_[20];
};

// With servers 11 and 12.
class KernelTestWithServers : public KernelTest {
 protected:
  void SetUp() override {
    KernelTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    Serve(11);
    Serve(12);
  }
};

}  // namespace tlsbridge::e2e
