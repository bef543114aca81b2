// The page for operators, as Debian's Chromium shows it.

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/e2e/harness/tcp_backend.h"
#include "tests/e2e/harness/tlsbridge_test.h"
#include "tests/e2e/support/chromium.h"
#include "tests/e2e/support/curl.h"

namespace tlsbridge::e2e {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

class PageTest : public TlsbridgeTest {
 protected:
  void SetUp() override {
    if (!HasChromium()) GTEST_SKIP() << "chromium is not installed";
    ASSERT_NO_FATAL_FAILURE(StartSidecar(backend_.address(), {"--admin-listen=127.0.0.1:0"}));
    const auto listening = tlsbridge().WaitForEvent("admin_listening");
    ASSERT_TRUE(listening);
    admin_ = (*listening)["address"];
  }
  // What Chromium prints with these flags, once the page has had three seconds of its time.
  std::string Chromium(std::vector<std::string> flags) {
    flags.insert(flags.end(), {"--enable-logging=stderr", "--virtual-time-budget=3000"});
    ChromiumVisit visit = VisitWithChromium(dir(), absl::StrCat("http://", admin_, "/"), flags);
    errors_ = std::move(visit.errors);
    return std::move(visit.output);
  }
  void ExpectNoComplaint() {
    for (const char* complaint : {"CONSOLE", "Content Security Policy", "Uncaught"}) {
      EXPECT_THAT(errors_, Not(HasSubstr(complaint)));
    }
  }

  TcpBackend backend_{&EchoBytes};
  std::string admin_;
  std::string errors_;
};

TEST_F(PageTest, ShowsTheVerdictAndAFailureThatHasJustHappened) {
  Curl(certificates().authority_certificate(),
       {absl::StrCat("http://", tlsbridge().address(), "/")});
  ASSERT_EQ(tlsbridge().WaitForConnections(1).size(), 1u);
  const std::string page = Chromium({"--dump-dom"});
  EXPECT_THAT(page, AllOf(ContainsRegex("id=\"verdict\"[^>]*>ready<"), HasSubstr(">sidecar<"),
                          HasSubstr(backend_.address()), HasSubstr(">tls handshake failed<"),
                          HasSubstr(">plain_http<"), HasSubstr("<polyline points=")));
  EXPECT_THAT(page, AllOf(HasSubstr("TLS handshakes: "), HasSubstr("failures by reason"),
                          ContainsRegex("tls handshake failed: [0-9.]+/s</li>")));
  ExpectNoComplaint();
}

TEST_F(PageTest, PicturesAreKept) {
  const char* const outputs = std::getenv("TEST_UNDECLARED_OUTPUTS_DIR");
  const std::string folder = outputs == nullptr ? dir().path() : outputs;
  struct Picture {
    const char* name;
    std::vector<std::string> flags;
  };
  for (const Picture& picture :
       {Picture{"light", {"--window-size=1400,1600"}},
        Picture{"dark", {"--window-size=1400,1600", "--blink-settings=preferredColorScheme=0"}},
        Picture{"narrow", {"--window-size=420,1600"}}}) {
    const std::string file = absl::StrCat(folder, "/", picture.name, ".png");
    std::vector<std::string> flags = picture.flags;
    flags.push_back("--screenshot=" + file);
    Chromium(flags);
    ExpectNoComplaint();
    std::ifstream png(file, std::ios::binary);
    EXPECT_GT(std::distance(std::istreambuf_iterator<char>(png), {}), 10'000) << file;
  }
}

}  // namespace
}  // namespace tlsbridge::e2e
