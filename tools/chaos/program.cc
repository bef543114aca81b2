#include "tools/chaos/program.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace tlsbridge::chaos {
namespace {

constexpr absl::Duration kStartPatience = absl::Seconds(20);
constexpr absl::Duration kDumpEvery = absl::Milliseconds(50);

absl::string_view Behind(absl::string_view line, absl::string_view mark) {
  const size_t at = line.find(mark);
  return at == absl::string_view::npos ? "" : line.substr(at + mark.size());
}

}  // namespace

absl::StatusOr<std::shared_ptr<Program>> Program::Start(World* world, const std::string& path,
                                                        const bench::Address& backend,
                                                        std::vector<std::string> arguments,
                                                        const Environment& environment) {
  const std::vector<std::string> fixed = {path,           "sidecar",   "--listen",
                                          "127.0.0.1:0",  "--backend", backend.ToString(),
                                          "--log-format", "json"};
  arguments.insert(arguments.begin(), fixed.begin(), fixed.end());
  return StartAndWait(world, arguments, environment);
}

absl::StatusOr<std::shared_ptr<Program>> Program::StartWith(World* world, const std::string& path,
                                                            const std::string& config) {
  return StartAndWait(world, {path, "run", "--config", config}, {});
}

absl::StatusOr<std::shared_ptr<Program>> Program::StartAndWait(
    World* world, const std::vector<std::string>& arguments, const Environment& environment) {
  std::shared_ptr<Program> program(new Program(world));
  if (absl::Status status = program->Spawn(arguments, environment); !status.ok()) return status;
  world->Watch(program->log_.get(), program.get());
  const absl::Time deadline = World::Now() + kStartPatience;
  while (!program->ready_ && !program->log_ended_ && World::Now() < deadline) {
    world->Turn(kDumpEvery);
  }
  if (!program->ready_) {
    return absl::UnavailableError(
        absl::StrCat(arguments[0], " did not become ready: ", program->other_output_));
  }
  return program;
}

absl::Status Program::Spawn(const std::vector<std::string>& arguments,
                            const Environment& environment) {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) != 0) return absl::ErrnoToStatus(errno, "pipe");
  log_ = bench::UniqueFd(fds[0]);
  const bench::UniqueFd write_end(fds[1]);
  fcntl(log_.get(), F_SETFL, O_NONBLOCK);
  // A log that must not block the program loses lines when this process is slow to read.
  fcntl(log_.get(), F_SETPIPE_SZ, 1 << 20);
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  pid_ = fork();  // this process has one thread
  if (pid_ < 0) return absl::ErrnoToStatus(errno, "fork");
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(write_end.get(), STDERR_FILENO);
    for (const auto& [name, value] : environment) setenv(name.c_str(), value.c_str(), 1);
    execv(argv[0], argv.data());
    _exit(127);
  }
  return absl::OkStatus();
}

Program::~Program() {
  if (pid_ <= 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

void Program::Step() {
  char buffer[64 * 1024];
  while (!log_ended_) {
    const ssize_t n = read(log_.get(), buffer, sizeof(buffer));
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) {
      log_ended_ = true;
      return;
    }
    for (const char* at = buffer; at < buffer + n;) {
      const char* end = std::find(at, static_cast<const char*>(buffer + n), '\n');
      unfinished_line_.append(at, end);
      if (end == buffer + n) break;
      TakeLine(unfinished_line_);
      unfinished_line_.clear();
      at = end + 1;
    }
  }
}

void Program::TakeLine(const std::string& line) {
  if (absl::StrContains(line, "\"event\":\"connection_end\"")) {
    // Far too many to parse them all.
    const absl::string_view peer = Behind(line, "\"peer\":\"127.0.0.1:");
    const absl::string_view reason = Behind(line, "\"reason\":\"");
    int port = 0;
    if (absl::SimpleAtoi(peer.substr(0, peer.find('"')), &port)) lines_[port] = line;
    reason_lines_[std::string(reason.substr(0, reason.find('"')))] = line;
    return;
  }
  const auto event = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!event.is_object() || !event.contains("event")) {
    absl::StrAppend(&other_output_, line, "\n");
    return;
  }
  const std::string name = event.value("event", "");
  if (name == "listening") {
    if (auto address = bench::Address::Parse(event.value("address", "")); address.ok()) {
      address_ = *address;
    }
  } else if (name == "ready") {
    ready_ = true;
  } else if (name == "reloaded") {
    ++reloads_;
  } else if (name == "reload_refused") {
    ++refused_reloads_;
  } else if (name == "dump") {
    ++dumps_;
    const auto& live = event["live"];
    empty_ = live["records"] == 0 && live["sockets"] == 0 && live["timers"] == 0 &&
             event["records"].empty();
    last_dump_ = line;
  } else if (name == "summary") {
    summary_ = event;
  }
}

void Program::Reload() const { kill(pid_, SIGHUP); }

bool Program::WaitUntilEmpty(absl::Duration patience) {
  const absl::Time deadline = World::Now() + patience;
  while (World::Now() < deadline && !log_ended_) {
    const uint64_t before = dumps_;
    kill(pid_, SIGUSR1);
    while (dumps_ == before && !log_ended_ && World::Now() < deadline) world_->Turn(kDumpEvery);
    if (dumps_ > before && empty_) return true;
    const absl::Time next = World::Now() + kDumpEvery;
    while (World::Now() < next) world_->Turn(next - World::Now());
  }
  return false;
}

std::optional<int> Program::Stop(absl::Duration patience) {
  if (pid_ <= 0) return std::nullopt;
  kill(pid_, SIGTERM);
  return WaitForEnd(patience);
}

std::optional<int> Program::WaitForEnd(absl::Duration patience) {
  if (pid_ <= 0) return std::nullopt;
  const absl::Time deadline = World::Now() + patience;
  int status = 0;
  while (waitpid(pid_, &status, WNOHANG) == 0) {
    if (World::Now() >= deadline) return std::nullopt;
    world_->Turn(absl::Milliseconds(1));
  }
  pid_ = -1;
  Step();
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int64_t Program::ProcKib(const char* file, const std::string& key) const {
  std::ifstream stream(absl::StrCat("/proc/", pid_, "/", file));
  std::string word;
  int64_t kib = 0;
  while (stream >> word) {
    if (word == key && stream >> kib) return kib;
  }
  return 0;
}

std::string Program::LogOf(int client_port) const {
  const auto found = lines_.find(client_port);
  return found == lines_.end() ? "" : found->second;
}

std::string Program::LogOfReason(const std::string& reason) const {
  const auto found = reason_lines_.find(reason);
  return found == reason_lines_.end() ? "" : found->second;
}

}  // namespace tlsbridge::chaos
