// How many system calls one connection costs: TLS 1.3, a request, an answer, and both ends close in
// order. Each kind has a bound, so that what somebody adds shows here first.
//
// Counted is what the worker does for the connection. To wait (epoll_wait) and to wake the thread
// of the log (futex) depend on what else happens, and are not counted.

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "gtest/gtest.h"
#include "tests/e2e/harness/tcp_backend.h"
#include "tests/e2e/harness/tlsbridge_test.h"
#include "tests/e2e/support/tls_client.h"

namespace tlsbridge::e2e {
namespace {

constexpr int kVisits = 10;

// Those of one connection, each with how often.
using Calls = std::map<std::string, int>;

int Sum(const Calls& calls) {
  int sum = 0;
  for (const auto& [name, count] : calls) sum += count;
  return sum;
}

std::string Describe(const Calls& calls) {
  return absl::StrJoin(calls, " ", absl::PairFormatter("="));
}

struct Call {
  std::string thread;
  std::string name;
};

// What strace has written: "PID name(arguments) = result" a line, or "PID name(arguments
// <unfinished ...>" and later "PID <... name resumed>".
std::vector<Call> ReadTrace(const std::string& file) {
  std::vector<Call> calls;
  std::ifstream lines(file);
  for (std::string line; std::getline(lines, line);) {
    const std::vector<std::string> words =
        absl::StrSplit(line, absl::MaxSplits(' ', 1), absl::SkipEmpty());
    if (words.size() < 2) continue;
    const absl::string_view rest = absl::StripLeadingAsciiWhitespace(words[1]);
    const size_t name = rest.find('(');
    if (name == absl::string_view::npos || name == 0 || rest[0] == '<' || rest[0] == '+') continue;
    calls.push_back({words[0], std::string(rest.substr(0, name))});
  }
  return calls;
}

// Of each connection, from its accept4() to that of the next.
std::vector<Calls> PerConnection(const std::vector<Call>& trace) {
  std::vector<Calls> connections;
  std::string worker;
  for (const Call& call : trace) {
    if (call.name == "accept4") {
      worker = call.thread;
      connections.emplace_back();
    }
    const bool counts = call.name != "epoll_wait" && call.name != "futex";
    if (!connections.empty() && call.thread == worker && counts) ++connections.back()[call.name];
  }
  return connections;
}

class SystemCallsTest : public TlsbridgeTest {
 protected:
  void StartTraced() {
    const CertificateFiles files = certificates().Issue();
    ASSERT_NO_FATAL_FAILURE(
        StartTlsbridge({.arguments = {"--backend", backend_.address(), "--cert", files.certificate,
                                      "--key", files.key, "--workers", "1"},
                        // It finds no leaks while it is traced.
                        .environment = {{"ASAN_OPTIONS", "detect_leaks=0"}},
                        // The tracer is a grandchild, so that signals meet the program.
                        .wrapper = {"strace", "-D", "-f", "-qq", "-o", trace_}}));
  }

  // A byte each way; then the client says close_notify and closes, as most do.
  void Visit(size_t connections_before) {
    {
      auto client = TlsClient::Open(tlsbridge().address(), {.version = TLS1_3_VERSION});
      ASSERT_TRUE(client.ok()) << client.status();
      ASSERT_TRUE(client->Write("x").ok());
      ASSERT_EQ(client->ReadExactly(1).value_or("nothing"), "x");
      ASSERT_TRUE(client->SendCloseNotify().ok());
    }
    ASSERT_EQ(tlsbridge().WaitForConnections(connections_before + 1).size(),
              connections_before + 1);
  }

  const std::string trace_ = dir().path() + "/trace";
  TcpBackend backend_{EchoBytes};
};

TEST_F(SystemCallsTest, OneConnectionCostsFew) {
  ASSERT_NO_FATAL_FAILURE(StartTraced());
  for (size_t visit = 0; visit < kVisits; ++visit) ASSERT_NO_FATAL_FAILURE(Visit(visit));
  ASSERT_EQ(tlsbridge().Stop(), 0);

  const std::vector<Calls> connections = PerConnection(ReadTrace(trace_));
  ASSERT_GE(connections.size(), size_t{kVisits});
  // The first also pays for what is made when it is first needed, and the last for the end of the
  // program.
  const std::vector<Calls> typical(connections.begin() + 1, connections.begin() + kVisits - 1);

  const Calls most = {
      {"accept4", 1},     // without asking for another that has not come
      {"epoll_ctl", 4},   // each socket is watched once, and forgotten once
      {"recvfrom", 7},    // ClientHello, Finished, request, answer, close_notify, and both FINs
      {"sendto", 4},      // our flight, the request, the answer with tickets, close_notify
      {"socket", 1},      //
      {"setsockopt", 3},  // TCP_NODELAY, TCP_USER_TIMEOUT; a client that waits is acknowledged
      {"connect", 2},     // the second says that it stands
      {"shutdown", 2},    // each stream's end, unless it is that of the socket
      {"close", 2},
  };
  for (const Calls& calls : typical) {
    for (const auto& [name, count] : calls) {
      const auto bound = most.find(name);
      if (bound == most.end()) {
        ADD_FAILURE() << "a connection calls " << name << ": " << Describe(calls);
      } else {
        EXPECT_LE(count, bound->second) << name << " in " << Describe(calls);
      }
    }
  }
  const Calls& least =
      *std::min_element(typical.begin(), typical.end(),
                        [](const Calls& a, const Calls& b) { return Sum(a) < Sum(b); });
  EXPECT_LE(Sum(least), 24) << Describe(least);
  GTEST_LOG_(INFO) << Sum(least) << " calls: " << Describe(least);
}

}  // namespace
}  // namespace tlsbridge::e2e
