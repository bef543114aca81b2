// SIGHUP: what changes, for whom, and that nobody is lost on the way.

#include <signal.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/e2e/harness/tcp_backend.h"
#include "tests/e2e/harness/tlsbridge_test.h"
#include "tests/e2e/support/free_address.h"
#include "tests/e2e/support/tls_client.h"

namespace tlsbridge::e2e {
namespace {

using ::testing::HasSubstr;

bool RoundTrip(TlsClient& client) {
  return client.Write("hello\n").ok() && client.ReadExactly(6).value_or("") == "hello\n";
}

class ReloadTest : public TlsbridgeTest {
 protected:
  std::string Listeners(const std::vector<std::string>& addresses) {
    std::string yaml = "listeners:\n";
    for (const auto& address : addresses)
      absl::StrAppend(&yaml, "  - {address: \"", address, "\"}\n");
    return yaml;
  }
  // A route to our backend. `more` are lines of its own.
  std::string RouteTo(const std::string& name, const std::string& domain,
                      const std::string& more = "") {
    return absl::StrCat("  - name: ", name, "\n    match: {domains: [\"", domain, "\"]}\n",
                        Service(), more);
  }
  std::string Service() {
    return absl::StrCat(
        "    tls: {certificates: [{cert: localhost.crt, key: localhost.key}]}\n"
        "    backends: [{address: \"",
        backend_.address(), "\"}]\n");
  }
  absl::StatusOr<TlsClient> Open(const std::string& name = "localhost") {
    return TlsClient::Open(main_, {.server_name = name});
  }
  bool IsServed(const std::string& address, const std::string& name = "localhost") {
    auto client = TlsClient::Open(address, {.server_name = name});
    return client.ok() && RoundTrip(*client);
  }

  const std::string main_ = FreeAddress(1);
  const std::string extra_ = FreeAddress(2);
  TcpBackend backend_{EchoLines};
};

TEST_F(ReloadTest, AHundredUnderLoadFailNoConnection) {
  const std::string few = Listeners({main_}) + "routes:\n" + RouteTo("main", "*");
  const std::string many =
      Listeners({main_, extra_}) + "routes:\n" + RouteTo("extra", "extra.internal") +
      RouteTo("main", "*", "    limits: {connections: 5000}\n") + "limits: {connections: 6000}\n";
  ASSERT_NO_FATAL_FAILURE(StartRun(few));
  std::atomic<bool> stop = false;
  std::atomic<int> served = 0;
  std::atomic<int> failed = 0;
  std::vector<std::thread> clients;
  for (const char* name : {"localhost", "extra.internal"}) {
    clients.emplace_back([&, name] {
      while (!stop) ++(IsServed(main_, name) ? served : failed);
    });
  }
  for (int i = 0; i < 100; ++i) {
    const nlohmann::json answer = ReloadWith(i % 2 == 0 ? many : few);
    EXPECT_EQ(answer["event"], "reloaded") << answer;
    if (i == 0) {
      EXPECT_THAT(answer["changes"], HasSubstr("+extra"));
      EXPECT_THAT(answer["changes"], HasSubstr("~limits"));
      EXPECT_THAT(answer["changes"], HasSubstr("+" + extra_));
    }
    EXPECT_EQ(IsServed(extra_), i % 2 == 0) << "reload " << i;
  }
  stop = true;
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(failed, 0);
  EXPECT_GE(served, 20);
}

TEST_F(ReloadTest, ABrokenFileChangesNothingAndSaysWhere) {
  const std::string good = Listeners({main_}) + "routes:\n" + RouteTo("main", "*");
  ASSERT_NO_FATAL_FAILURE(StartRun(good));
  const nlohmann::json answer = ReloadWith(Listeners({main_, extra_}) + "routes:\n" +
                                           RouteTo("main", "*", "    limit: {}\n"));
  EXPECT_EQ(answer["event"], "reload_refused");
  EXPECT_THAT(answer["message"], HasSubstr("tlsbridge.yaml:9:5: "));
  EXPECT_THAT(answer["message"], HasSubstr("limit"));
  EXPECT_TRUE(IsServed(main_));
  EXPECT_FALSE(Socket::Connect(extra_).ok());
  EXPECT_EQ(ReloadWith(good)["event"], "reloaded");
}

TEST_F(ReloadTest, ABadKeyIsRefusedAndTheRestOfTheFileIsServed) {
  const std::string routes = "routes:\n" + RouteTo("main", "*");
  ASSERT_NO_FATAL_FAILURE(StartRun(Listeners({main_}) + routes));
  dir().WriteFile("localhost.key", "no key");
  EXPECT_EQ(ReloadWith(Listeners({main_, extra_}) + routes)["event"], "reloaded");
  const auto refusal = tlsbridge().WaitForEvent("renewal_refused");
  ASSERT_TRUE(refusal.has_value());
  EXPECT_THAT((*refusal)["message"], HasSubstr("localhost.key"));
  EXPECT_TRUE(IsServed(main_));
  EXPECT_TRUE(IsServed(extra_)) << "with the last good one";
  // Who asks again is told again.
  EXPECT_EQ(ReloadWith(Listeners({main_}) + routes)["event"], "reloaded");
  EXPECT_EQ(tlsbridge().WaitForEvents("renewal_refused", 2).size(), 2u);
}

TEST_F(ReloadTest, ANewRouteWithABadCertificateChangesNothing) {
  const std::string routes = "routes:\n" + RouteTo("main", "*");
  ASSERT_NO_FATAL_FAILURE(StartRun(Listeners({main_}) + routes));
  dir().WriteFile("localhost.key", "no key");
  const nlohmann::json answer = ReloadWith(Listeners({main_, extra_}) + "routes:\n" +
                                           RouteTo("new", "new.internal") + RouteTo("main", "*"));
  EXPECT_EQ(answer["event"], "reload_refused");
  EXPECT_THAT(answer["message"], HasSubstr("localhost.key"));
  EXPECT_TRUE(IsServed(main_));
  EXPECT_FALSE(Socket::Connect(extra_).ok());
}

TEST_F(ReloadTest, AnAddressInUseChangesNothing) {
  const TcpBackend other([](Socket&) {}, extra_);
  const std::string routes = "routes:\n" + RouteTo("main", "*");
  ASSERT_NO_FATAL_FAILURE(StartRun(Listeners({main_}) + routes));
  const nlohmann::json answer = ReloadWith(Listeners({main_, extra_}) + "routes:\n" +
                                           RouteTo("main", "*", "    limits: {connections: 1}\n"));
  EXPECT_EQ(answer["event"], "reload_refused");
  EXPECT_THAT(answer["message"], HasSubstr("cannot listen on " + extra_));
  auto first = Open();
  auto second = Open();
  EXPECT_TRUE(first.ok() && second.ok());
}

TEST_F(ReloadTest, AConnectionOfARemovedRouteIsAnsweredBeforeItEnds) {
  const std::string main_route = RouteTo("main", "*");
  const std::string head = Listeners({main_}) + "shutdown: {drain_timeout: 1h}\nroutes:\n";
  ASSERT_NO_FATAL_FAILURE(StartRun(head + RouteTo("extra", "extra.internal") + main_route));
  auto other = Open();
  auto client = Open("extra.internal");
  ASSERT_TRUE(other.ok() && client.ok());
  ASSERT_TRUE(RoundTrip(*other));
  // Half a line: the backend waits for the rest, the client for the answer.
  ASSERT_TRUE(client->Write("hel").ok());
  ASSERT_TRUE(RoundTrip(*other));
  EXPECT_EQ(ReloadWith(head + main_route)["changes"], "-extra");
  ASSERT_TRUE(client->Write("lo\n").ok());
  EXPECT_EQ(client->ReadExactly(6).value_or("nothing"), "hello\n");
  EXPECT_EQ(client->ReadToEnd().value_or("failed"), "");
  EXPECT_EQ(client->end(), TlsEnd::kCloseNotify);
  client->socket().Close();
  const auto ended = tlsbridge().WaitForConnections(1);
  ASSERT_EQ(ended.size(), 1u);
  EXPECT_EQ(ended[0]["reason"], "route_removed");
  EXPECT_EQ(ended[0]["route"], "extra");
  EXPECT_TRUE(RoundTrip(*other)) << "that of the route that stayed";
}

TEST_F(ReloadTest, AConnectionOfARemovedRouteEndsAtTheDeadline) {
  const std::string main_route = RouteTo("main", "*");
  const std::string head = Listeners({main_}) + "shutdown: {drain_timeout: 300ms}\nroutes:\n";
  ASSERT_NO_FATAL_FAILURE(StartRun(head + RouteTo("extra", "extra.internal") + main_route));
  auto client = Open("extra.internal");
  ASSERT_TRUE(client.ok());
  ASSERT_TRUE(RoundTrip(*client));
  ASSERT_TRUE(client->Write("never answered").ok());
  EXPECT_EQ(ReloadWith(head + main_route)["changes"], "-extra");
  EXPECT_EQ(client->ReadToEnd().value_or("failed"), "");
  EXPECT_EQ(client->end(), TlsEnd::kReset);
  client->socket().Close();
  const auto ended = tlsbridge().WaitForConnections(1);
  ASSERT_EQ(ended.size(), 1u);
  EXPECT_EQ(ended[0]["reason"], "route_removed");
}

TEST_F(ReloadTest, AConnectionKeepsTheRouteItStartedOn) {
  TcpBackend other(EchoLines);
  const auto route = [](const std::string& address, const std::string& more) {
    return absl::StrCat(
        "routes:\n  - name: main\n"
        "    tls: {certificates: [{cert: localhost.crt, key: localhost.key}]}\n"
        "    backends: [{address: \"",
        address, "\"}]\n", more);
  };
  ASSERT_NO_FATAL_FAILURE(StartRun(Listeners({main_}) + route(backend_.address(), "")));
  auto client = Open();
  ASSERT_TRUE(client.ok());
  ASSERT_TRUE(RoundTrip(*client));
  // Its new settings would end it at once.
  EXPECT_EQ(ReloadWith(Listeners({main_}) +
                       route(other.address(), "    timeouts: {inactivity: 1ms}\n"))["changes"],
            "~main(backends,timeouts)");
  auto next = Open();
  ASSERT_TRUE(next.ok());
  EXPECT_EQ(next->ReadToEnd().value_or("failed"), "");
  next->socket().Close();
  const auto ended = tlsbridge().WaitForConnections(1);
  ASSERT_EQ(ended.size(), 1u);
  EXPECT_EQ(ended[0]["reason"], "inactivity");
  EXPECT_EQ(ended[0]["backend"], other.address());
  EXPECT_TRUE(RoundTrip(*client));
  EXPECT_EQ(backend_.connections_accepted(), 1);
}

TEST_F(ReloadTest, ABackendThatDrainsKeepsWhatItHasAndGetsNothingNew) {
  TcpBackend other(EchoLines);
  const auto route = [&](const std::string& drain) {
    return absl::StrCat(Listeners({main_}),
                        "routes:\n  - name: main\n"
                        "    tls: {certificates: [{cert: localhost.crt, key: localhost.key}]}\n"
                        "    backends: [{address: \"",
                        backend_.address(), "\"", drain, "}, {address: \"", other.address(),
                        "\"}]\n");
  };
  ASSERT_NO_FATAL_FAILURE(StartRun(route("")));
  std::vector<TlsClient> held;
  for (int i = 0; i < 2; ++i) {
    auto client = Open();
    ASSERT_TRUE(client.ok());
    EXPECT_TRUE(RoundTrip(*client));
    held.push_back(*std::move(client));
  }
  EXPECT_EQ(backend_.connections_accepted(), 1);
  EXPECT_EQ(ReloadWith(route(", drain: true"))["changes"], "~main(backends)");
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(IsServed(main_));
  for (TlsClient& client : held) EXPECT_TRUE(RoundTrip(client));
  EXPECT_EQ(backend_.connections_accepted(), 1);
  EXPECT_EQ(other.connections_accepted(), 5);
  EXPECT_EQ(ReloadWith(route(""))["changes"], "~main(backends)");
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(IsServed(main_));
  EXPECT_GT(backend_.connections_accepted(), 1);
}

TEST_F(ReloadTest, WhatNeedsARestartIsSaid) {
  const std::string rest = Listeners({main_}) + "routes:\n" + RouteTo("main", "*");
  ASSERT_NO_FATAL_FAILURE(StartRun(rest + "workers: 1\n"));
  EXPECT_EQ(ReloadWith(rest + "workers: 2\n")["changes"], "~workers");
  EXPECT_TRUE(tlsbridge().WaitForEvent("restart_needed"));
  EXPECT_TRUE(IsServed(main_));
}

// Stopped, the program cannot accept: they wait in the kernel's queue when the listener goes, and
// so does the route that they came for.
TEST_F(ReloadTest, ARemovedListenerLosesNobodyWhoHadQueued) {
  const std::string main_route = RouteTo("main", "*");
  const std::string extra_route =
      absl::StrCat("  - name: extra\n    match: {ports: [", PortOf(extra_), "]}\n", Service());
  const std::string elsewhere =
      absl::StrCat("  - name: main\n    match: {ports: [", PortOf(main_), "]}\n", Service());
  for (const int workers : {1, 3}) {
    const std::string tail = absl::StrCat("workers: ", workers, "\n");
    ASSERT_NO_FATAL_FAILURE(
        StartRun(Listeners({main_, extra_}) + "routes:\n" + extra_route + elsewhere + tail));
    tlsbridge().process().SendSignal(SIGSTOP);
    std::vector<TlsClient> queued;
    for (int i = 0; i < 50; ++i) {
      auto client = TlsClient::Connect(extra_);
      ASSERT_TRUE(client.ok()) << client.status();
      queued.push_back(*std::move(client));
    }
    std::thread waker([this] { tlsbridge().process().SendSignal(SIGCONT); });
    const nlohmann::json answer = ReloadWith(Listeners({main_}) + "routes:\n" + elsewhere + tail);
    waker.join();
    EXPECT_EQ(answer["event"], "reloaded") << answer;
    int served = 0;
    for (TlsClient& client : queued) served += client.Handshake().ok() && RoundTrip(client);
    EXPECT_EQ(served, 50);
    for (TlsClient& client : queued) client.socket().Close();
    EXPECT_FALSE(Socket::Connect(extra_).ok());
    EXPECT_TRUE(IsServed(main_));
    TearDown();
    ForgetTlsbridge();
  }
}

TEST_F(ReloadTest, LimitsBiteAtOnce) {
  const auto with_limit = [this](int whole, int route) {
    return absl::StrCat(
        Listeners({main_}), "limits: {connections: ", whole, "}\nroutes:\n",
        RouteTo("main", "*", absl::StrCat("    limits: {connections: ", route, "}\n")));
  };
  ASSERT_NO_FATAL_FAILURE(StartRun(with_limit(0, 1)));
  auto first = Open();
  ASSERT_TRUE(first.ok());
  EXPECT_FALSE(Open().ok());
  EXPECT_EQ(ReloadWith(with_limit(0, 2))["changes"], "~main(limits)");
  auto second = Open();
  ASSERT_TRUE(second.ok()) << "the count goes on from one, not from none";
  EXPECT_FALSE(Open().ok());
  EXPECT_EQ(ReloadWith(with_limit(3, 0))["changes"], "~main(limits) ~limits");
  auto third = Open();
  ASSERT_TRUE(third.ok());
  EXPECT_FALSE(Open().ok());
  EXPECT_EQ(ReloadWith(with_limit(0, 0))["event"], "reloaded");
  EXPECT_TRUE(Open().ok());
  std::vector<std::string> reasons;
  for (const auto& end : tlsbridge().WaitForConnections(4)) reasons.push_back(end["reason"]);
  ASSERT_GE(reasons.size(), 3u);
  reasons.resize(3);
  EXPECT_THAT(reasons, testing::ElementsAre("route_limit", "route_limit", "global_limit"));
}

TEST_F(ReloadTest, AConfigurationThatCameThroughAPipeIsReadOnceAndCannotBeReadAgain) {
  certificates().Issue();
  // A pipe has no folder that names could be relative to.
  const std::string path = WriteConfig(
      absl::StrReplaceAll(Listeners({main_}) + "routes:\n" + RouteTo("only", "localhost"),
                          {{" localhost.crt", " " + dir().PathOf("localhost.crt")},
                           {" localhost.key", " " + dir().PathOf("localhost.key")}}));
  for (const std::string& through : std::vector<std::string>{
           "--config <(cat " + path + ")", "--config /dev/stdin < <(cat " + path + ")"}) {
    ASSERT_NO_FATAL_FAILURE(
        StartTlsbridge({.subcommand = "run",
                        .listen = {},
                        .arguments = {},
                        .environment = {},
                        .wrapper = {"bash", "-c", R"(exec "$0" "$@" )" + through}}));
    EXPECT_TRUE(IsServed(main_)) << through;
    const nlohmann::json answer = tlsbridge().Reload();
    EXPECT_EQ(answer["event"], "reload_refused") << through;
    EXPECT_THAT(answer["message"].get<std::string>(), HasSubstr("cannot be read again"));
    EXPECT_TRUE(IsServed(main_)) << through;
    EXPECT_EQ(tlsbridge().Stop(), 0);
  }
}

}  // namespace
}  // namespace tlsbridge::e2e
