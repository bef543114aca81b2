// A program that hands over to others, all of which are children of the test in the end.
//
// Any thread, one at a time. TearDown() stops who serves, and fails the test if one of them ends
// with another code than 0.

#pragma once

#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/e2e/harness/tcp_backend.h"
#include "tests/e2e/harness/tlsbridge_test.h"
#include "tests/e2e/support/run_program.h"
#include "tests/e2e/support/tls_client.h"

namespace tlsbridge::e2e {

inline void EchoAll(Socket& connection) {
  while (true) {
    const auto bytes = connection.ReadSome();
    if (!bytes.ok() || bytes->empty() || !connection.Write(*bytes).ok()) return;
  }
}

inline bool Echoes(TlsClient& client, const std::string& text) {
  return client.Write(text).ok() && client.ReadExactly(text.size()).value_or("") == text;
}

// On a fixture whose program is to hand over.
template <typename Base>
class HandingOver : public Base {
 protected:
  using Base::tlsbridge;

  void SetUp() override {
    ASSERT_EQ(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    Base::SetUp();
  }
  void TearDown() override {
    StopAll();
    Base::TearDown();
  }
  void StopAll() {
    if (this->HasFailure()) KillAll();
    if (serving_ > 0) kill(serving_, SIGTERM);
    if (started_) {
      EXPECT_EQ(tlsbridge().process().WaitForExit(), 0) << tlsbridge().Output();
    }
    int status = 0;
    while (waitpid(-1, &status, 0) > 0) {
      EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
    }
    this->ForgetTlsbridge();
  }
  void IsStarted() {
    started_ = true;
    serving_ = tlsbridge().process().pid();
  }

  // By a signal to whoever serves; the generation that serves then, or 0.
  int HandOver() {
    kill(serving_, SIGUSR2);
    return NextServes() ? generation_ : 0;
  }
  bool NextServes() {
    ++generation_;
    const auto is_next = [this](const auto& event) {
      return event.value("generation", 0) == generation_;
    };
    const auto event = tlsbridge().WaitForEvent("handed_over", is_next);
    if (!event || !tlsbridge().WaitForEvent("ready", is_next)) return false;
    serving_ = (*event)["pid"].template get<pid_t>();
    return true;
  }

  // Where something went wrong, nobody knows who is left.
  static void KillAll() {
    for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task")) {
      std::ifstream children(thread.path() / "children");
      for (pid_t pid = 0; children >> pid;) kill(pid, SIGKILL);
    }
  }

  bool started_ = false;
  pid_t serving_ = 0;
  int generation_ = 1;
};

// A copy of the program, which lies where it can be replaced by another.
class ReplaceableProgram {
 public:
  explicit ReplaceableProgram(std::string path)
      : original_(std::filesystem::canonical(std::getenv("TLSBRIDGE_BINARY"))),
        path_(std::move(path)) {
    Copy();
    setenv("TLSBRIDGE_BINARY", path_.c_str(), 1);
  }
  ~ReplaceableProgram() { setenv("TLSBRIDGE_BINARY", original_.c_str(), 1); }
  ReplaceableProgram(const ReplaceableProgram&) = delete;
  ReplaceableProgram& operator=(const ReplaceableProgram&) = delete;

  void Copy() {
    unlink(path_.c_str());
    std::ofstream(path_, std::ios::binary) << std::ifstream(original_, std::ios::binary).rdbuf();
    ASSERT_EQ(chmod(path_.c_str(), 0755), 0);
  }
  // As a package does: the old file lives on as long as somebody runs it. Null: there is none.
  void Replace(const char* script) {
    ASSERT_EQ(unlink(path_.c_str()), 0);
    if (script == nullptr) return;
    std::ofstream(path_) << script;
    ASSERT_EQ(chmod(path_.c_str(), 0755), 0);
  }
  const std::string& original() const { return original_; }
  const std::string& path() const { return path_; }

 private:
  const std::string original_;
  const std::string path_;
};

class HandoverFixture : public HandingOver<TlsbridgeTest> {
 protected:
  // On TCP, a UNIX path and an abstract name, in this order.
  void Start(const std::vector<std::string>& arguments = {}) {
    files_ = certificates().Issue();
    TlsbridgeOptions options;
    options.listen = {"127.0.0.1:0", "unix:" + dir().PathOf("s"),
                      absl::StrCat("unix:@", dir().PathOf("abstract"))};
    options.arguments = {"--backend",
                         backend_.address(),
                         "--cert",
                         files_.certificate,
                         "--key",
                         files_.key,
                         "--workers=2",
                         "--drain-timeout=5m",
                         Admin("--admin-listen")};
    options.arguments.insert(options.arguments.end(), arguments.begin(), arguments.end());
    options.environment = environment_;
    options_ = options;
    ASSERT_NO_FATAL_FAILURE(StartTlsbridge(options));
    IsStarted();
  }
  std::string Admin(const std::string& flag) const {
    return absl::StrCat(flag, "=unix:", dir().PathOf("admin"));
  }
  ProgramResult Ask(std::vector<std::string> command) {
    command.push_back(Admin("--admin"));
    return RunProgram(command);
  }
  bool Serves() {
    auto client = TlsClient::Open(tlsbridge().address());
    return client.ok() && Echoes(*client, "hello");
  }

  TcpBackend backend_{EchoAll};
  CertificateFiles files_;
  std::map<std::string, std::string> environment_;
  TlsbridgeOptions options_;  // as it was started with
};

}  // namespace tlsbridge::e2e
