// A crash loses no client that has queued: the service manager, which is the test, stores the
// listening sockets and gives them back.

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <map>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gtest/gtest.h"
#include "tests/e2e/support/handover_fixture.h"
#include "tests/router/host/listening_manager.h"

namespace tlsbridge::e2e {
namespace {

constexpr int kPatienceMs = 20'000;

class StoredSocketsTest : public HandoverFixture {
 protected:
  void TearDown() override {
    HandoverFixture::TearDown();
    for (const auto& [name, fd] : stored_) close(fd);
  }
  // As systemd does, until it hears `last`.
  void HearUntil(absl::string_view last) {
    for (std::string heard = "-"; !heard.empty() && !absl::StrContains(heard, last);) {
      int fd = -1;
      heard = ear_.Next(kPatienceMs, &fd);
      constexpr absl::string_view kName = "\nFDNAME=";
      const size_t at = heard.find(std::string(kName));
      if (at == std::string::npos) continue;
      const std::string name = heard.substr(at + kName.size());
      if (absl::StartsWith(heard, "FDSTORE=1")) stored_[name] = fd;
      if (absl::StartsWith(heard, "FDSTOREREMOVE=1")) {
        close(stored_[name]);
        stored_.erase(name);
      }
    }
  }
  // The descriptors from 3 on are what is stored.
  std::vector<std::string> Wrapper() const {
    std::vector<std::string> names;
    std::string script;
    for (const auto& [name, fd] : stored_) {
      absl::StrAppend(&script, "exec ", names.size() + 3, "<&", fd, " ", fd, "<&-; ");
      names.push_back(name);
    }
    absl::StrAppend(&script, "export LISTEN_FDS=", names.size(), " LISTEN_PID=$$ LISTEN_FDNAMES='",
                    absl::StrJoin(names, ":"), "'; exec \"$@\"");
    return {"bash", "-c", script, "bash"};
  }
  void StartAgain() {
    // High numbers, so that none is in the way of another; the program inherits them.
    for (auto& [name, fd] : stored_) {
      const int high = fcntl(fd, F_DUPFD, 50);
      close(fd);
      fd = high;
    }
    TlsbridgeOptions again = options_;
    again.wrapper = Wrapper();
    ASSERT_NO_FATAL_FAILURE(StartTlsbridge(again));
    started_ = true;
    serving_ = tlsbridge().process().pid();
  }
  void StartFirst() {
    environment_ = {{"NOTIFY_SOCKET", ear_.name()}};
    ASSERT_NO_FATAL_FAILURE(Start());
    HearUntil("READY=1");
  }

  testing::ListeningManager ear_;
  std::map<std::string, int> stored_;
};

TEST_F(StoredSocketsTest, ClientsThatQueueAfterACrashAreServedByTheNextProcess) {
  ASSERT_NO_FATAL_FAILURE(StartFirst());
  EXPECT_EQ(stored_.size(), 4u) << "three listeners and the admin server's";
  const std::vector<std::string> addresses = tlsbridge().addresses();
  tlsbridge().process().SendSignal(SIGKILL);
  EXPECT_EQ(tlsbridge().process().WaitForExit(), 128 + SIGKILL);
  started_ = false;
  std::vector<TlsClient> queued;
  for (const std::string& address : addresses) {
    auto client = TlsClient::Connect(address);
    ASSERT_TRUE(client.ok()) << client.status();
    queued.push_back(*std::move(client));
  }
  ForgetTlsbridge();
  ASSERT_NO_FATAL_FAILURE(StartAgain());
  EXPECT_EQ(tlsbridge().addresses(), addresses) << "the ports that the kernel gave, too";
  for (TlsClient& client : queued) {
    EXPECT_TRUE(client.Handshake().ok() && Echoes(client, "hello"));
  }
  HearUntil("READY=1");
  EXPECT_EQ(stored_.size(), 4u) << "nothing is stored twice";
}

TEST_F(StoredSocketsTest, ToldToStopItTakesThemOut) {
  ASSERT_NO_FATAL_FAILURE(StartFirst());
  kill(serving_, SIGTERM);
  serving_ = 0;
  EXPECT_EQ(tlsbridge().process().WaitForExit(), 0);
  for (int i = 0; i < 100 && !stored_.empty(); ++i) HearUntil("FDSTOREREMOVE=1");
  EXPECT_TRUE(stored_.empty());
}

}  // namespace
}  // namespace tlsbridge::e2e
