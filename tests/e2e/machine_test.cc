// What the machine does to the program: it is stopped for a while, has no epoll watches left, or
// was started without standard descriptors.

#include <signal.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/e2e/harness/process.h"
#include "tests/e2e/harness/tcp_backend.h"
#include "tests/e2e/harness/tlsbridge_test.h"
#include "tests/e2e/support/run_program.h"
#include "tests/e2e/support/tls_client.h"

namespace tlsbridge::e2e {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class MachineTest : public TlsbridgeTest {
 protected:
  TlsClient Open() {
    auto client = TlsClient::Open(tlsbridge().address());
    EXPECT_TRUE(client.ok()) << client.status();
    return *std::move(client);
  }
  static bool Echoes(TlsClient& client) {
    return client.Write("x").ok() && client.ReadExactly(1).value_or("") == "x";
  }
  // Stops it for longer than its deadlines.
  void StopFor(absl::Duration time) {
    tlsbridge().process().SendSignal(SIGSTOP);
    EXPECT_FALSE(tlsbridge().process().WaitForExit(time));
    tlsbridge().process().SendSignal(SIGCONT);
  }
  std::vector<std::string> SidecarArguments() {
    const CertificateFiles files = certificates().Issue();
    return {"sidecar", "--listen=127.0.0.1:0", absl::StrCat("--backend=", backend_.address()),
            absl::StrCat("--cert=", files.certificate), absl::StrCat("--key=", files.key)};
  }

  TcpBackend backend_{[](Socket& connection) {
    while (true) {
      const auto part = connection.ReadSome();
      if (!part.ok() || part->empty() || !connection.Write(*part).ok()) return;
    }
  }};
};

TEST_F(MachineTest, NobodyIsCutForThatItWasStopped) {
  ASSERT_NO_FATAL_FAILURE(
      StartSidecar(backend_.address(), {"--inactivity-timeout=1500ms", "--handshake-timeout=2s"}));
  TlsClient active = Open();
  TlsClient idle = Open();
  ASSERT_TRUE(Echoes(active));
  ASSERT_TRUE(Echoes(idle));
  auto greeting = TlsClient::Connect(tlsbridge().address());
  ASSERT_TRUE(greeting.ok());
  ASSERT_TRUE(greeting->SendClientHello().ok());
  tlsbridge().process().SendSignal(SIGSTOP);
  ASSERT_TRUE(active.Write("while it stood still").ok());
  StopFor(absl::Seconds(4));
  EXPECT_EQ(active.ReadExactly(20).value_or(""), "while it stood still");
  EXPECT_TRUE(Echoes(idle));
  EXPECT_TRUE(greeting->Handshake().ok());
  const auto stalled = tlsbridge().WaitForEvent("stalled");
  ASSERT_TRUE(stalled) << tlsbridge().Output();
  EXPECT_GE((*stalled)["ms"], 3900);
  EXPECT_EQ(tlsbridge().Events("stalled").size(), 1u) << "one line, however many loops";
}

TEST_F(MachineTest, WithoutEpollWatchesItDoesNotStart) {
#if defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP() << "the sanitizer lets no other library be loaded before it";
#endif
  // The loops' own; then those for clients, signals and the rest.
  for (int watches = 0; watches <= 3; ++watches) {
    const ProgramResult result = RunProgram(
        SidecarArguments(),
        {{"LD_PRELOAD", std::getenv("FAULT_SHIM")}, {"FAULT_WATCHES", absl::StrCat(watches)}});
    EXPECT_EQ(result.exit_code, 2) << watches;
    EXPECT_THAT(result.errors, AllOf(HasSubstr("tlsbridge: "), HasSubstr("cannot watch"),
                                     HasSubstr("fs.epoll.max_user_watches")));
    EXPECT_EQ(std::count(result.errors.begin(), result.errors.end(), '\n'), 1) << result.errors;
  }
}

TEST_F(MachineTest, StartedWithoutStandardDescriptorsItOpensThemOnDevNull) {
  const CertificateFiles files = certificates().Issue();
  ASSERT_NO_FATAL_FAILURE(StartTlsbridge({.subcommand = "sidecar",
                                          .listen = {"127.0.0.1:0"},
                                          .arguments = {"--backend", backend_.address(), "--cert",
                                                        files.certificate, "--key", files.key},
                                          .environment = {},
                                          .wrapper = {"sh", "-c", R"(exec "$0" "$@" <&- >&-)"}}));
  for (const int fd : {0, 1}) {
    const auto target =
        RunToEnd({"readlink", absl::StrCat("/proc/", tlsbridge().process().pid(), "/fd/", fd)});
    EXPECT_EQ(target.value_or(""), "/dev/null\n") << fd;
  }
}

}  // namespace
}  // namespace tlsbridge::e2e
