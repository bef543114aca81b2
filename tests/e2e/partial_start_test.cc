// A start with a route whose certificate is bad: the others are served, everybody is told, and the
// route is served once its files are good.

#include <signal.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/e2e/harness/tcp_backend.h"
#include "tests/e2e/harness/tlsbridge_test.h"
#include "tests/e2e/support/authority_files.h"
#include "tests/e2e/support/curl.h"
#include "tests/e2e/support/run_program.h"
#include "tests/e2e/support/tls_client.h"

namespace tlsbridge::e2e {
namespace {

using ::testing::HasSubstr;

class PartialStartTest : public TlsbridgeTest {
 protected:
  void SetUp() override {
    late_ = certificates().Issue({.name = "late", .alt_names = {"DNS:late.internal"}});
    AuthorityFiles(dir(), "ca").Reissue(late_, "20200101000000Z", "20200201000000Z");
  }
  std::string Yaml() {
    return absl::StrCat(
        "listeners: [{address: \"127.0.0.1:0\"}]\n"
        "admin: {address: \"unix:",
        dir().PathOf("admin"),
        "\"}\n"
        "routes:\n",
        Route("main", "localhost"), Route("late", "late"));
  }
  std::string Route(const std::string& name, const std::string& file) {
    return absl::StrCat("  - name: ", name, "\n    match: {domains: [",
                        file == "late" ? "late.internal" : file,
                        "]}\n    tls: {certificates: [{cert: ", file, ".crt, key: ", file,
                        ".key}]}\n    backends: [{address: \"", backend_.address(), "\"}]\n");
  }
  bool IsServed(const std::string& name) {
    auto client = TlsClient::Open(tlsbridge().address(), {.server_name = name});
    return client.ok() && client->Write("hello\n").ok() &&
           client->ReadExactly(6).value_or("") == "hello\n";
  }
  std::string Get(const std::string& path) {
    return Curl(certificates().authority_certificate(),
                {"--unix-socket", dir().PathOf("admin"), absl::StrCat("http://localhost", path)})
        .body;
  }
  void MakeGood() {
    AuthorityFiles(dir(), "ca").Reissue(late_, "20260101000000Z", "20360101000000Z");
  }

  TcpBackend backend_{EchoLines};
  CertificateFiles late_;
};

TEST_F(PartialStartTest, TheOthersAreServedAndTheRouteOnceItsCertificateIsGood) {
  ASSERT_NO_FATAL_FAILURE(StartRun(Yaml(), {}));
  const auto down = tlsbridge().WaitForEvent("route_down");
  ASSERT_TRUE(down);
  EXPECT_EQ((*down)["level"], "error");
  EXPECT_EQ((*down)["route"], "late");
  EXPECT_THAT((*down)["message"].get<std::string>(), HasSubstr("late.crt: "));
  EXPECT_TRUE(IsServed("localhost"));
  EXPECT_FALSE(IsServed("late.internal"));
  const auto end = tlsbridge().WaitForEvents("connection_end", 2);
  ASSERT_EQ(end.size(), 2u);
  // They end in any order.
  const bool first = end[0]["route"] == "late";
  EXPECT_EQ(end[first ? 0 : 1]["reason"], "route_down");
  EXPECT_EQ(end[first ? 1 : 0]["route"], "main");
  EXPECT_EQ(Get("/ready"), "routes that are down: late\n");
  EXPECT_EQ(Get("/accepting"), "accepting\n");
  EXPECT_THAT(Get("/routes"), HasSubstr("\"down\":\""));

  MakeGood();
  ASSERT_TRUE(tlsbridge().WaitForEvent("route_up"));
  EXPECT_TRUE(IsServed("late.internal"));
  EXPECT_EQ(Get("/ready"), "ready\n");
}

TEST_F(PartialStartTest, SighupServesItToo) {
  ASSERT_NO_FATAL_FAILURE(StartRun(Yaml(), {"--no-watch-files"}));
  MakeGood();
  tlsbridge().process().SendSignal(SIGHUP);
  ASSERT_TRUE(tlsbridge().WaitForEvent("route_up"));
  EXPECT_TRUE(IsServed("late.internal"));
}

TEST_F(PartialStartTest, OneRouteAloneIsARefusal) {
  const std::string yaml =
      absl::StrCat("listeners: [{address: \"127.0.0.1:0\"}]\nroutes:\n", Route("late", "late"));
  const ProgramResult result = RunProgram({"run", "--config", dir().WriteFile("one.yaml", yaml)});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.errors, HasSubstr("one.yaml:5:"));
  EXPECT_THAT(result.errors, HasSubstr("routes[0].tls.certificates[0].cert: "));
  EXPECT_THAT(result.errors, HasSubstr("expired"));
}

}  // namespace
}  // namespace tlsbridge::e2e
