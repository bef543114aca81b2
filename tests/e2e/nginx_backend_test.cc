// The real nginx as the backend.

#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/e2e/harness/payload.h"
#include "tests/e2e/harness/tlsbridge_test.h"
#include "tests/e2e/support/curl.h"
#include "tests/e2e/support/nginx.h"

namespace tlsbridge::e2e {
namespace {

using ::testing::HasSubstr;

class NginxBackendTest : public TlsbridgeTest {
 protected:
  void Start(const std::string& listen = "") {
    auto nginx = Nginx::Start(dir(), listen);
    ASSERT_TRUE(nginx.ok()) << nginx.status();
    nginx_ = *std::move(nginx);
    // nginx's own word for a UNIX socket is ours.
    StartSidecar(nginx_->address());
  }
  CurlResult Run(std::vector<std::string> arguments) {
    return Curl(certificates().authority_certificate(), std::move(arguments));
  }
  std::string Url(const std::string& path) { return UrlOf(tlsbridge(), path); }

  std::unique_ptr<Nginx> nginx_;
};

TEST_F(NginxBackendTest, FilesOfAllSizesArriveUnchanged) {
  ASSERT_NO_FATAL_FAILURE(Start());
  for (const size_t bytes :
       std::vector<size_t>{0, 1, 16383, 16384, 16385, 65536, 1'000'003, 20'000'000}) {
    nginx_->AddFile("file", Payload(bytes, bytes));
    for (const char* version : {"1.2", "1.3"}) {
      const CurlResult result =
          Run({absl::StrCat("--tlsv", version), "--tls-max", version, "--fail", Url("/file")});
      ASSERT_EQ(result.exit_code, 0) << result.error;
      ASSERT_EQ(result.body.size(), bytes);
      EXPECT_EQ(Checksum(result.body), Checksum(Payload(bytes, bytes))) << bytes << " bytes";
    }
  }
}

TEST_F(NginxBackendTest, KeepsOneConnectionAliveForFourRequests) {
  ASSERT_NO_FATAL_FAILURE(Start());
  for (const char* name : {"a", "b", "c", "d"}) nginx_->AddFile(name, Payload(50'000));
  const CurlResult result =
      Run({Url("/[a-d]"), "--output", dir().PathOf("out-#1"), "--write-out", "%{num_connects} "});
  ASSERT_EQ(result.exit_code, 0) << result.error;
  EXPECT_EQ(result.body, "1 0 0 0 ");
  EXPECT_EQ(tlsbridge().Stop(), 0);
  const auto ended = tlsbridge().Connections();
  ASSERT_EQ(ended.size(), 1u);
  EXPECT_GT(ended[0]["bytes_sent"], 200'000);
}

TEST_F(NginxBackendTest, EndsTheConnectionWhenItWasAskedTo) {
  ASSERT_NO_FATAL_FAILURE(Start());
  nginx_->AddFile("file", Payload(500'000));
  const CurlResult result = Run({"--header", "Connection: close", Url("/file")});
  ASSERT_EQ(result.exit_code, 0) << result.error;
  EXPECT_EQ(Checksum(result.body), Checksum(Payload(500'000)));
  const auto ended = tlsbridge().WaitForConnections(1);
  ASSERT_EQ(ended.size(), 1u);
  EXPECT_EQ(ended[0]["reason"], "closed_outgoing");
}

TEST_F(NginxBackendTest, AnAnswerWithoutALengthEndsWhereTheBackendEndedIt) {
  ASSERT_NO_FATAL_FAILURE(Start());
  nginx_->AddFile("file", Payload(300'000));
  // HTTP/1.0 without keep-alive: the end of the stream is the end of the answer, so that a
  // close_notify which is missing would be an error.
  const CurlResult result = Run({"--http1.0", Url("/file")});
  ASSERT_EQ(result.exit_code, 0) << result.error;
  EXPECT_EQ(Checksum(result.body), Checksum(Payload(300'000)));
}

TEST_F(NginxBackendTest, ARangeAndAMissingFileAreAnsweredByNginx) {
  ASSERT_NO_FATAL_FAILURE(Start());
  nginx_->AddFile("file", Payload(100'000));
  const CurlResult range = Run({"--range", "1000-1999", Url("/file")});
  EXPECT_EQ(Checksum(range.body), Checksum(Payload(100'000).substr(1000, 1000)));
  const CurlResult missing = Run({"--include", Url("/missing")});
  EXPECT_THAT(missing.body, HasSubstr("404 Not Found"));
  EXPECT_THAT(missing.body, HasSubstr("Server: nginx"));
}

TEST_F(NginxBackendTest, IsReachedOverAUnixSocket) {
  ASSERT_NO_FATAL_FAILURE(Start(absl::StrCat("unix:", dir().PathOf("nginx.sock"))));
  nginx_->AddFile("file", Payload(2'000'000));
  const CurlResult result = Run({"--fail", Url("/file")});
  ASSERT_EQ(result.exit_code, 0) << result.error;
  EXPECT_EQ(Checksum(result.body), Checksum(Payload(2'000'000)));
}

}  // namespace
}  // namespace tlsbridge::e2e
