// The page for operators, in Debian's Chromium, as somebody on call uses it.

#include <pwd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/e2e/harness/tcp_backend.h"
#include "tests/e2e/harness/tlsbridge_test.h"
#include "tests/e2e/support/browser.h"
#include "tests/e2e/support/chromium.h"
#include "tests/e2e/support/free_address.h"
#include "tests/e2e/support/tls_client.h"

namespace tlsbridge::e2e {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Where tools/deps/axe_core puts it; a test's environment has no HOME.
std::string AxeCore() {
  const passwd* const user = getpwuid(getuid());
  const std::string home = user == nullptr ? "" : user->pw_dir;
  std::ifstream file(home + "/.cache/tlsbridge/axe-core/axe-4.14.1.min.js");
  return {std::istreambuf_iterator<char>(file), {}};
}

class PageTest : public TlsbridgeTest {
 protected:
  // One browser for all: it takes a second to start.
  static void SetUpTestSuite() {
    home_ = new TempDir();
    if (HasChromium()) browser_ = Browser::Open(*home_).release();
  }
  static void TearDownTestSuite() {
    delete std::exchange(browser_, nullptr);
    delete std::exchange(home_, nullptr);
  }

  // orders and billing work, though one backend of billing refuses, as does the only one of legacy.
  void SetUp() override {
    if (!HasChromium()) GTEST_SKIP() << "chromium is not installed";
    ASSERT_NE(browser_, nullptr);
    const std::string dead = FreeAddress();
    const std::string tls =
        "timeouts: {handshake: 10m}, tls: {certificates: [{cert: localhost.crt, key: "
        "localhost.key}]}";
    const std::string backend = "backends: [{address: \"" + backend_.address() + "\"}]";
    ASSERT_NO_FATAL_FAILURE(StartRun(absl::StrCat(
        "workers: 2\nlisteners: [{address: \"127.0.0.1:0\"}]\nadmin: {address: \"127.0.0.1:0\"}\n"
        "routes:\n  - {name: orders, match: {domains: [localhost]}, ",
        tls, ", ", backend, "}\n  - {name: billing, match: {domains: [billing.internal]}, ", tls,
        ", ", backend.substr(0, backend.size() - 1), ", {address: \"", dead,
        "\"}]}\n  - {name: legacy, match: {domains: [legacy.internal]}, ",
        "timeouts: {handshake: 10m}, tls: {mode: passthrough}, backends: [{address: \"", dead,
        "\"}]}\n")));
    const auto listening = tlsbridge().WaitForEvent("admin_listening");
    ASSERT_TRUE(listening);
    page().Prefer("light");
    page().Resize(1400, 1600);
    page().Goto(absl::StrCat("http://", std::string((*listening)["address"]), "/"));
    ASSERT_TRUE(page().Becomes("$('connections').rows.length > 0"))
        << "it has asked, and shows what it was told";
  }
  void TearDown() override {
    if (browser_ != nullptr) {
      EXPECT_THAT(page().TakeComplaints(), IsEmpty());
      page().Goto("about:blank");
    }
    TlsbridgeTest::TearDown();
  }
  static Browser& page() { return *browser_; }
  // Now, and not when its two seconds are over.
  static void Look() { page().Evaluate("look()"); }

  void SpeakPlainHttp() {
    auto socket = Socket::Connect(tlsbridge().address());
    ASSERT_TRUE(socket.ok()) << socket.status();
    ASSERT_TRUE(socket->Write("GET / HTTP/1.1\r\n\r\n").ok());
    (void)socket->ReadToEnd();
  }
  void MeetADeadBackend() {
    (void)TlsClient::Open(tlsbridge().address(), {.server_name = "legacy.internal"});
  }
  void Talk(const std::string& server_name) {
    auto client = TlsClient::Open(tlsbridge().address(), {.server_name = server_name});
    ASSERT_TRUE(client.ok()) << client.status();
    ASSERT_TRUE(client->Write("hello").ok());
    EXPECT_TRUE(client->ReadExactly(5).ok());
    (void)client->SendCloseNotify();
    (void)client->ReadToEnd();
  }
  // Failures of two kinds, and what went well.
  void BeBusy() {
    SpeakPlainHttp();
    MeetADeadBackend();
    Talk("localhost");
    Talk("billing.internal");
    Look();
    EXPECT_TRUE(page().Becomes("document.querySelectorAll('#failures tbody tr').length === 2"));
  }
  void Choose(const std::string& id, const std::string& value) {
    page().Evaluate(absl::StrCat("$('", id, "').value = '", value, "'; $('", id,
                                 "').dispatchEvent(new Event('input')); null"));
  }
  // The words of a table, a string for each row.
  std::vector<std::string> RowsOf(const std::string& table) {
    const nlohmann::json rows = page().Evaluate(absl::StrCat(
        "[...document.querySelectorAll('#", table, " tbody tr')].map(r => r.innerText)"));
    return rows.is_array() ? rows.get<std::vector<std::string>>() : std::vector<std::string>();
  }
  static std::string Output(const std::string& name) {
    const char* const outputs = std::getenv("TEST_UNDECLARED_OUTPUTS_DIR");
    return absl::StrCat(outputs == nullptr ? "." : outputs, "/", name);
  }

  TcpBackend backend_{&EchoBytes};
  static inline TempDir* home_ = nullptr;
  static inline Browser* browser_ = nullptr;
};

TEST_F(PageTest, ShowsTheVerdictRoutesBackendsAndCertificates) {
  EXPECT_EQ(page().Evaluate("$('verdict').innerText"), "ready");
  EXPECT_EQ(page().Evaluate("document.title"), "ready - tlsbridge");
  EXPECT_EQ(RowsOf("routes").size(), 3u);
  EXPECT_THAT(absl::StrCat(RowsOf("backends").at(0), RowsOf("backends").at(2)),
              HasSubstr(backend_.address()));
  EXPECT_THAT(RowsOf("certificates").at(0), HasSubstr("localhost.crt"));
}

TEST_F(PageTest, ShowsAFailureWithinThreeSecondsOfIt) {
  ASSERT_THAT(RowsOf("failures"), testing::ElementsAre("none"));
  SpeakPlainHttp();
  EXPECT_TRUE(page().Becomes("$('failures').innerText.includes('plain_http')", absl::Seconds(3)));
  EXPECT_TRUE(page().Becomes("/tls handshake failed: [0-9.]+\\/s/.test($('charts').innerText)"));
}

TEST_F(PageTest, FailuresCanBeChosenAndReadWhole) {
  BeBusy();
  Choose("failure-route", "legacy");
  ASSERT_EQ(RowsOf("failures").size(), 1u);
  EXPECT_THAT(RowsOf("failures")[0], HasSubstr("econnrefused"));
  EXPECT_EQ(page().Evaluate("$('failures-json').getAttribute('href')"), "/failures?route=legacy");
  Choose("failure-route", "");
  Choose("failure-reason", "tls_handshake_failed");
  ASSERT_EQ(RowsOf("failures").size(), 1u);
  EXPECT_THAT(RowsOf("failures")[0], HasSubstr("plain_http"));
  Choose("failure-reason", "");
  page().Click("#failure-text");
  page().Type("sni=legacy");
  ASSERT_EQ(RowsOf("failures").size(), 1u);
  page().Press("Tab");
  page().Press("Tab");
  page().Press("Enter");
  EXPECT_EQ(page().Evaluate("document.activeElement.innerText"), "less") << "the focus stays";
  EXPECT_THAT(RowsOf("failures")[0], HasSubstr("connection_end id="));
}

TEST_F(PageTest, ConnectionsCanBeChosenByTheirClient) {
  auto here = TlsClient::Open(tlsbridge().address());
  auto there = TlsClient::Open(tlsbridge().address(), {.source = "127.0.0.2"});
  ASSERT_TRUE(here.ok() && there.ok());
  Look();
  EXPECT_TRUE(page().Becomes("document.querySelectorAll('#connections tbody tr').length === 2"));
  page().Click("#connection-peer");
  page().Type("127.0.0.2");
  EXPECT_TRUE(page().Becomes("document.querySelectorAll('#connections tbody tr').length === 1"));
  EXPECT_THAT(RowsOf("connections").at(0), HasSubstr("127.0.0.2:"));
  page().Type("0000");
  EXPECT_TRUE(page().Becomes("!$('connections-wrong').hidden"));
  EXPECT_THAT(std::string(page().Evaluate("$('connections-wrong').innerText")),
              HasSubstr("peer: '127.0.0.20000' is not allowed"));
  EXPECT_THAT(page().TakeComplaints(), Each(HasSubstr("/connections?peer=127.0.0.20000")))
      << "of the browser: that answer is a 400";
}

TEST_F(PageTest, EveryLinkLeadsToItsJson) {
  BeBusy();
  const nlohmann::json answers = page().Evaluate(
      "(async () => { const all = []; for (const link of new Set([...document.links].map(a => "
      "a.href))) { const answer = await fetch(link); const text = await answer.text(); let json ="
      " true; try { JSON.parse(text); } catch { json = false; } all.push({link, status: "
      "answer.status, json}); } return all; })()");
  ASSERT_TRUE(answers.is_array());
  EXPECT_GE(answers.size(), 4u + 2 * 3) << "four documents, metrics, and two for each route";
  for (const nlohmann::json& answer : answers) {
    EXPECT_EQ(answer["status"], 200) << answer;
    EXPECT_EQ(answer["json"], std::string(answer["link"]).find("/metrics") == std::string::npos)
        << answer;
  }
  const nlohmann::json bare = page().Evaluate(
      "[...document.querySelectorAll('section')].filter(s => !s.querySelector('h2 a'))"
      ".map(s => s.getAttribute('aria-labelledby'))");
  EXPECT_EQ(bare, nlohmann::json::array()) << "a section without a link to what it shows";
}

// Those of this test have not said hello, so that each takes one descriptor of the program's, not
// two: what the page asks for is the same. As many as the program would let in, which here may be a
// few less than ten thousand (two descriptors are kept for each).
TEST_F(PageTest, TenThousandConnectionsDoNotFreezeIt) {
  rlimit descriptors;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &descriptors), 0);
  descriptors.rlim_cur = descriptors.rlim_max;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &descriptors), 0);
  const auto limit = page().Evaluate("before.limits.connections.limit").get<int64_t>();
  const int64_t own = static_cast<int64_t>(descriptors.rlim_cur) - 200;
  const int count = static_cast<int>(std::min({int64_t{10'000}, limit - 10, own}));
  std::vector<Socket> clients;
  for (int i = 0; i < count; ++i) {
    auto client = Socket::Connect(tlsbridge().address(), absl::StrCat("127.0.0.", 2 + i % 5));
    ASSERT_TRUE(client.ok()) << i << ": " << client.status();
    clients.push_back(*std::move(client));
  }
  RecordProperty("connections", count);
  EXPECT_GE(count, 4500);
  Look();
  ASSERT_TRUE(page().Becomes(absl::StrCat("before.limits.connections.now === ", count)));
  page().Evaluate(
      "var longest = 0, last = performance.now(), looks = 0; const showAll = showStatus;"
      "showStatus = s => { ++looks; showAll(s); }; setInterval(() => { const now = "
      "performance.now(); longest = Math.max(longest, now - last); last = now; }, 10); null");
  for (int i = 0; i < 3; ++i) Look();
  EXPECT_TRUE(page().Becomes("looks >= 2"));
  page().Click("#connection-peer");
  page().Type("127.0.0.3");
  EXPECT_TRUE(
      page().Becomes("[...document.querySelectorAll('#connections tbody tr')].every(r => "
                     "r.innerText.includes('127.0.0.3:'))",
                     absl::Seconds(3)));
  EXPECT_EQ(RowsOf("connections").size(), 50u);
  const double longest = page().Evaluate("longest").get<double>();
  RecordProperty("longest_pause_ms", static_cast<int>(longest));
  EXPECT_LT(longest, 500) << "milliseconds in which the page answers nobody";
  EXPECT_EQ(page().Evaluate("$('verdict').innerText"), "ready");
}

TEST_F(PageTest, AxeFindsNothingInLightAndDarkWideAndNarrow) {
  const std::string axe = AxeCore();
  if (axe.empty()) {
    ASSERT_EQ(std::getenv("TLSBRIDGE_REQUIRE_AXE"), nullptr) << "run tools/deps/axe_core";
    GTEST_SKIP() << "axe-core is not there: tools/deps/axe_core fetches it, with npm";
  }
  BeBusy();
  page().Click("#failures tbody button");
  page().Evaluate(absl::StrCat("{", axe, "}; null"));
  for (const char* const scheme : {"light", "dark"}) {
    for (const int width : {1400, 420}) {
      page().Prefer(scheme);
      page().Resize(width, 1600);
      const nlohmann::json found = page().Evaluate(
          "axe.run().then(all => all.violations.map(v => ({rule: v.id, nodes: v.nodes.map(n => "
          "n.html + ' ' + n.failureSummary)})))");
      EXPECT_EQ(found, nlohmann::json::array()) << scheme << " " << width << found.dump(1);
    }
  }
}

// Kept as the test's output. router/admin/page/page.png, which the README shows, is its page.png.
TEST_F(PageTest, PicturesAreKept) {
  std::deque<TlsClient> open;
  for (int i = 0; i < 100; ++i) {
    auto client = TlsClient::Open(tlsbridge().address(),
                                  {.server_name = i % 3 == 0 ? "billing.internal" : "localhost"});
    ASSERT_TRUE(client.ok()) << client.status();
    const size_t bytes = static_cast<size_t>(1 + i * i % 7) * 1000;
    ASSERT_TRUE(client->Write(std::string(bytes, 'x')).ok());
    ASSERT_TRUE(client->ReadExactly(bytes).ok());
    open.push_back(*std::move(client));
    // Some stay for a while.
    while (open.size() > static_cast<size_t>(12 + 8 * (i / 25 % 3) + i % 5)) {
      (void)open.front().SendCloseNotify();
      (void)open.front().ReadToEnd();
      open.pop_front();
    }
    if (i % 20 < 2) MeetADeadBackend();
    if (i % 50 == 7) SpeakPlainHttp();
    Look();
  }
  struct Picture {
    const char* name;
    const char* scheme;
    int width;
    int height;
  };
  for (const Picture& picture :
       {Picture{"light.png", "light", 1400, 1600}, Picture{"dark.png", "dark", 1400, 1600},
        Picture{"narrow.png", "light", 420, 1600}, Picture{"page.png", "light", 1400, 900}}) {
    page().Prefer(picture.scheme);
    page().Resize(picture.width, picture.height);
    page().Picture(Output(picture.name));
    std::ifstream png(Output(picture.name), std::ios::binary);
    EXPECT_GT(std::distance(std::istreambuf_iterator<char>(png), {}), 10'000) << picture.name;
  }
}

}  // namespace
}  // namespace tlsbridge::e2e
