// Nobody reads standard error: that must stop neither traffic nor the end of the program.

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/e2e/harness/process.h"
#include "tests/e2e/harness/tcp_backend.h"
#include "tests/e2e/harness/tlsbridge_test.h"
#include "tests/e2e/support/tls_client.h"

namespace tlsbridge::e2e {
namespace {

// Each is a line. Far more than the pipe and the log's own queue hold.
constexpr int kConnections = 1200;

class StalledLogTest : public TlsbridgeTest {
 protected:
  // Standard error is a pipe with room for a page, of which this end reads only up to "ready".
  void Start() {
    const CertificateFiles files = certificates().Issue();
    const std::string path = dir().PathOf("stderr");
    ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
    // Open both ways, so that neither end waits for the other.
    UniqueFd pipe(open(path.c_str(), O_RDWR | O_CLOEXEC));
    ASSERT_GT(fcntl(pipe.get(), F_SETPIPE_SZ, 4096), 0);
    auto process = Process::Start(
        {.argv = {"sh", "-c", "exec \"$0\" \"$@\" 2>" + path, getenv("TLSBRIDGE_BINARY"), "sidecar",
                  "--listen", address_, "--backend", backend_.address(), "--cert",
                  files.certificate, "--key", files.key}});
    ASSERT_TRUE(process.ok()) << process.status();
    process_ = *std::move(process);
    std::string text;
    char byte;
    while (!absl::StrContains(text, " ready ") && read(pipe.get(), &byte, 1) == 1) text += byte;
    pipe_ = std::move(pipe);
  }
  void ExpectAnAnswer() {
    auto client = TlsClient::Open(address_);
    ASSERT_TRUE(client.ok()) << client.status();
    ASSERT_TRUE(client->Write("hello").ok());
    EXPECT_EQ(client->ReadExactly(5).value_or("nothing"), "hello");
    ASSERT_TRUE(client->SendCloseNotify().ok());
    EXPECT_EQ(client->ReadToEnd().value_or("failed"), "");
  }

  TcpBackend backend_{[](Socket& connection) {
    while (true) {
      const auto part = connection.ReadSome();
      if (!part.ok() || part->empty() || !connection.Write(*part).ok()) return;
    }
  }};
  std::string address_ = absl::StrCat("unix:", dir().PathOf("listener"));
  UniqueFd pipe_;
  std::unique_ptr<Process> process_;
};

TEST_F(StalledLogTest, TrafficGoesOnAndTheProgramEndsWhenItIsTold) {
  ASSERT_NO_FATAL_FAILURE(Start());
  for (int i = 0; i < kConnections; ++i) ASSERT_NO_FATAL_FAILURE(ExpectAnAnswer());
  process_->SendSignal(SIGTERM);
  EXPECT_EQ(process_->WaitForExit(), 0);
}

TEST_F(StalledLogTest, AReaderThatHasGoneDoesNoHarm) {
  ASSERT_NO_FATAL_FAILURE(Start());
  pipe_.Reset();
  for (int i = 0; i < 20; ++i) ASSERT_NO_FATAL_FAILURE(ExpectAnAnswer());
  process_->SendSignal(SIGTERM);
  EXPECT_EQ(process_->WaitForExit(), 0);
}

}  // namespace
}  // namespace tlsbridge::e2e
