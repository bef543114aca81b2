// Files, a log or threads that hang or are missing keep the program neither from ending when it is
// told nor from saying what is wrong.

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/e2e/harness/process.h"
#include "tests/e2e/harness/tcp_backend.h"
#include "tests/e2e/harness/tlsbridge_test.h"
#include "tests/e2e/harness/unique_fd.h"
#include "tests/e2e/support/run_program.h"
#include "tests/e2e/support/tls_client.h"

// A library that is preloaded must come before the sanitizer's.
#ifdef __SANITIZE_ADDRESS__
#define SKIP_WITHOUT_PRELOAD() \
  GTEST_SKIP() << "the sanitizer lets no other library be loaded before it"
#else
#define SKIP_WITHOUT_PRELOAD() static_cast<void>(0)
#endif

namespace tlsbridge::e2e {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class HangingTest : public TlsbridgeTest {
 protected:
  // With the shim that makes things hang. The certificate lies in a folder of its own.
  void StartWith(const std::string& fault, const std::string& value) {
    StartTlsbridge({.subcommand = "sidecar",
                    .listen = {"127.0.0.1:0"},
                    .arguments = Arguments(),
                    .environment = {{"LD_PRELOAD", std::getenv("FAULT_SHIM")}, {fault, value}},
                    .wrapper = {}});
  }
  std::vector<std::string> Arguments() {
    const CertificateFiles files = certificates().Issue();
    mkdir(mount_.c_str(), 0700);
    for (const auto& [from, to] : {std::pair(files.certificate, "/a.crt"), {files.key, "/a.key"}}) {
      EXPECT_EQ(rename(from.c_str(), (mount_ + to).c_str()), 0);
    }
    return {"--backend", backend_.address(), "--cert",          mount_ + "/a.crt",
            "--key",     mount_ + "/a.key",  "--no-watch-files"};
  }
  void ExpectAnAnswer() {
    auto client = TlsClient::Open(tlsbridge().address());
    ASSERT_TRUE(client.ok()) << client.status();
    ASSERT_TRUE(client->Write("hello").ok());
    EXPECT_EQ(client->ReadExactly(5).value_or("nothing"), "hello");
  }
  // Returns once somebody has it open for reading, and keeps him waiting.
  static UniqueFd WriterOf(const std::string& pipe) {
    return UniqueFd(open(pipe.c_str(), O_WRONLY | O_CLOEXEC));
  }

  TcpBackend backend_{[](Socket& connection) {
    while (true) {
      const auto part = connection.ReadSome();
      if (!part.ok() || part->empty() || !connection.Write(*part).ok()) return;
    }
  }};
  const std::string mount_ = dir().PathOf("mount");
};

TEST_F(HangingTest, AConfigurationThatHangsKeepsNeitherItsClientsNorItsEnd) {
  const std::string yaml = absl::StrCat(
      "listeners: [{address: \"127.0.0.1:0\"}]\n"
      "routes:\n"
      "  - name: a\n"
      "    tls: {certificates: [{cert: localhost.crt, key: localhost.key}]}\n"
      "    backends: [{address: \"",
      backend_.address(), "\"}]\n");
  ASSERT_NO_FATAL_FAILURE(StartRun(yaml));
  auto idle = TlsClient::Open(tlsbridge().address());
  ASSERT_TRUE(idle.ok()) << idle.status();
  const std::string path = dir().PathOf("tlsbridge.yaml");
  ASSERT_EQ(unlink(path.c_str()), 0);
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  tlsbridge().process().SendSignal(SIGHUP);
  const UniqueFd writer = WriterOf(path);
  ASSERT_NO_FATAL_FAILURE(ExpectAnAnswer());
  EXPECT_EQ(tlsbridge().Stop(), 0);
  EXPECT_EQ(idle->ReadToEnd().value_or("failed"), "");
  EXPECT_EQ(idle->end(), TlsEnd::kCloseNotify) << "it drains as ever";
  const auto abandoned = tlsbridge().Events("reload_abandoned");
  ASSERT_EQ(abandoned.size(), 1u) << tlsbridge().Output();
  EXPECT_EQ(abandoned[0]["source"], path);
}

TEST_F(HangingTest, ACertificateOnADeadMountKeepsNeitherItsClientsNorItsEnd) {
  SKIP_WITHOUT_PRELOAD();
  ASSERT_NO_FATAL_FAILURE(StartWith("FAULT_DEAD_MOUNT", mount_));
  dir().WriteFile("mount/dead", "");
  tlsbridge().process().SendSignal(SIGHUP);
  ASSERT_NO_FATAL_FAILURE(ExpectAnAnswer());
  EXPECT_EQ(tlsbridge().Stop(), 0);
  const auto abandoned = tlsbridge().Events("reload_abandoned");
  ASSERT_EQ(abandoned.size(), 1u) << tlsbridge().Output();
  EXPECT_THAT(abandoned[0]["source"].get<std::string>(), HasSubstr("mount/a.crt"));
}

TEST_F(HangingTest, ALogThatHangsDoesNotKeepItFromEnding) {
  SKIP_WITHOUT_PRELOAD();
  const std::string mark = dir().PathOf("hung");
  ASSERT_NO_FATAL_FAILURE(StartWith("FAULT_HUNG_LOG", mark));
  dir().WriteFile("hung", "");
  ASSERT_NO_FATAL_FAILURE(ExpectAnAnswer());
  tlsbridge().process().SendSignal(SIGTERM);
  EXPECT_EQ(tlsbridge().process().WaitForExit(), 0);
  ForgetTlsbridge();  // its summary is lost
}

TEST_F(HangingTest, ALookupThatNobodyAnswersDoesNotKeepItFromEnding) {
  const UniqueFd server(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  ASSERT_EQ(bind(server.get(), generic, length), 0);
  ASSERT_EQ(getsockname(server.get(), generic, &length), 0);
  ASSERT_NO_FATAL_FAILURE(
      StartRun(absl::StrCat("listeners: [{address: \"127.0.0.1:0\"}]\n"
                            "routes:\n"
                            "  - name: a\n"
                            "    tls: {certificates: [{cert: localhost.crt, key: localhost.key}]}\n"
                            "    backends: [{address: \"dns:nobody.example:80\"}]\n"
                            "    unsafe_backend: true\n"
                            "    dns: {servers: [\"127.0.0.1:",
                            ntohs(address.sin_port), "\"]}\n")));
  char question[512];
  ASSERT_GT(recv(server.get(), question, sizeof(question), 0), 0) << "it is under way";
  EXPECT_EQ(tlsbridge().Stop(), 0);
}

TEST_F(HangingTest, AStartThatHangsEndsAtOnceWhenItIsTold) {
  const CertificateFiles files = certificates().Issue();
  const std::string pipe = dir().PathOf("pipe");
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  auto process =
      Process::Start({.argv = {std::getenv("TLSBRIDGE_BINARY"), "sidecar", "--listen=127.0.0.1:0",
                               absl::StrCat("--backend=", backend_.address()), "--cert=" + pipe,
                               "--key=" + files.key}});
  ASSERT_TRUE(process.ok()) << process.status();
  const UniqueFd writer = WriterOf(pipe);
  (*process)->SendSignal(SIGTERM);
  EXPECT_EQ((*process)->WaitForExit(), 128 + SIGTERM) << "it does not wait for the pipe's patience";
}

TEST_F(HangingTest, AThreadThatCannotBeHadIsNamedInOneLine) {
  SKIP_WITHOUT_PRELOAD();
  std::vector<std::string> arguments = Arguments();
  arguments.insert(arguments.begin(), {"sidecar", "--listen=127.0.0.1:0", "--workers=2"});
  const std::vector<std::string> purposes = {"the log", "reloads", "signals", "worker 1",
                                             "worker 2"};
  for (size_t threads = 0; threads < purposes.size(); ++threads) {
    const ProgramResult result = RunProgram(arguments, {{"LD_PRELOAD", std::getenv("FAULT_SHIM")},
                                                        {"FAULT_THREADS", absl::StrCat(threads)}});
    EXPECT_EQ(result.exit_code, 2) << threads;
    EXPECT_THAT(result.errors,
                AllOf(StartsWith("tlsbridge: cannot start a thread (" + purposes[threads] + ")"),
                      HasSubstr("ulimit -u")));
    EXPECT_EQ(std::count(result.errors.begin(), result.errors.end(), '\n'), 1) << result.errors;
  }
}

// Later it does without: workers sign by themselves.
TEST_F(HangingTest, ClientsAreServedWithoutTheThreadForSignatures) {
  SKIP_WITHOUT_PRELOAD();
  const CertificateFiles files = certificates().Issue({.name = "rsa", .key_type = KeyType::kRsa});
  ASSERT_NO_FATAL_FAILURE(StartTlsbridge(
      {.subcommand = "sidecar",
       .listen = {"127.0.0.1:0"},
       .arguments = {"--backend", backend_.address(), "--cert", files.certificate, "--key",
                     files.key, "--workers=1"},
       .environment = {{"LD_PRELOAD", std::getenv("FAULT_SHIM")}, {"FAULT_THREADS", "4"}},
       .wrapper = {}}));
  ASSERT_NO_FATAL_FAILURE(ExpectAnAnswer());
}

}  // namespace
}  // namespace tlsbridge::e2e
