// Debian's Chromium without a window: what browsers agree on with us.

#include "tests/e2e/support/chromium.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/e2e/harness/http_backend.h"
#include "tests/e2e/harness/tlsbridge_test.h"

namespace tlsbridge::e2e {
namespace {

using ::testing::HasSubstr;

class ChromiumTest : public TlsbridgeTest {
 protected:
  void SetUp() override {
    if (!HasChromium()) GTEST_SKIP() << "chromium is not installed";
  }
  // The page as the browser has it.
  std::string Visit() {
    const std::string url = absl::StrCat("https://localhost:", tlsbridge().Port(), "/hello");
    return VisitWithChromium(dir(), url, {"--ignore-certificate-errors", "--dump-dom"});
  }

  HttpBackend backend_;
};

TEST_F(ChromiumTest, AgreesOnThePostQuantumHybridByDefault) {
  ASSERT_NO_FATAL_FAILURE(StartSidecar(backend_.address()));
  EXPECT_THAT(Visit(), HasSubstr("/hello"));
  const auto ended = tlsbridge().WaitForConnections(1);
  ASSERT_FALSE(ended.empty());
  EXPECT_EQ(ended[0]["tls"], "TLSv1.3");
  EXPECT_EQ(ended[0]["group"], "X25519MLKEM768");
}

// It brings keys for the hybrid and X25519 alone.
TEST_F(ChromiumTest, IsAskedForAnotherKeyWhereTheHybridIsNotWanted) {
  ASSERT_NO_FATAL_FAILURE(StartSidecar(backend_.address(), {"--groups", "P-384"}));
  EXPECT_THAT(Visit(), HasSubstr("/hello"));
  const auto ended = tlsbridge().WaitForConnections(1);
  ASSERT_FALSE(ended.empty());
  EXPECT_EQ(ended[0]["group"], "P-384");
}

}  // namespace
}  // namespace tlsbridge::e2e
