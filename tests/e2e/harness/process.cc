#include "tests/e2e/harness/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace tlsbridge::e2e {
namespace {

struct Pipe {
  UniqueFd read_end;
  UniqueFd write_end;
};

absl::StatusOr<Pipe> MakePipe() {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) != 0) return absl::ErrnoToStatus(errno, "pipe2");
  Pipe result{UniqueFd(fds[0]), UniqueFd(fds[1])};
  fcntl(fds[0], F_SETFL, O_NONBLOCK);
  return result;
}

// `overrides` in front: getenv() of most programs takes the first of two.
std::vector<std::string> EnvironmentWith(const std::map<std::string, std::string>& overrides) {
  std::vector<std::string> result;
  result.reserve(overrides.size());
  for (const auto& [name, value] : overrides) result.push_back(absl::StrCat(name, "=", value));
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const absl::string_view text(*entry);
    const std::string name(text.substr(0, text.find('=')));
    if (overrides.count(name) == 0) result.emplace_back(text);
  }
  return result;
}

std::vector<char*> Pointers(std::vector<std::string>& strings) {
  std::vector<char*> result;
  result.reserve(strings.size() + 1);
  for (std::string& string : strings) result.push_back(string.data());
  result.push_back(nullptr);
  return result;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Process>> Process::Start(ProcessOptions options) {
  std::unique_ptr<Process> process(new Process(std::move(options)));
  if (absl::Status status = process->Spawn(); !status.ok()) return status;
  process->reader_ = std::thread([raw = process.get()] { raw->ReadOutput(); });
  return process;
}

// posix_spawn and not fork: this process has threads.
absl::Status Process::Spawn() {
  absl::StatusOr<Pipe> out = MakePipe();
  absl::StatusOr<Pipe> err = MakePipe();
  exited_fd_.Reset(eventfd(0, EFD_CLOEXEC));
  if (!out.ok()) return out.status();
  if (!err.ok()) return err.status();

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, out->write_end.get(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err->write_end.get(), STDERR_FILENO);
  for (const auto& [theirs, ours] : options_.descriptors) {
    posix_spawn_file_actions_adddup2(&actions, ours, theirs);
  }

  // The child starts with no signal ignored or blocked, whatever the test program did.
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t signals;
  sigemptyset(&signals);
  posix_spawnattr_setsigmask(&attributes, &signals);
  sigaddset(&signals, SIGPIPE);
  posix_spawnattr_setsigdefault(&attributes, &signals);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);

  std::vector<std::string> argv = options_.argv;
  std::vector<std::string> environment = EnvironmentWith(options_.environment);
  const int error = posix_spawnp(&pid_, argv[0].c_str(), &actions, &attributes,
                                 Pointers(argv).data(), Pointers(environment).data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    pid_ = -1;
    return absl::ErrnoToStatus(error, absl::StrCat("cannot start ", argv[0]));
  }
  pid_fd_.Reset(static_cast<int>(syscall(SYS_pidfd_open, pid_, 0)));
  stdout_fd_ = std::move(out->read_end);
  stderr_fd_ = std::move(err->read_end);
  return absl::OkStatus();
}

Process::~Process() {
  if (pid_ < 0) return;
  SendSignal(SIGKILL);
  WaitForExit(absl::InfiniteDuration());
}

void Process::SendSignal(int signal) {
  if (!exit_code_) kill(pid_, signal);
}

std::optional<int> Process::WaitForExit(absl::Duration timeout) {
  if (exit_code_) return exit_code_;
  const Deadline deadline(timeout);
  pollfd ended{.fd = pid_fd_.get(), .events = POLLIN, .revents = 0};
  int ready;
  do {
    ready = poll(&ended, 1, deadline.PollTimeoutMilliseconds());
  } while (ready < 0 && errno == EINTR);
  if (ready == 0) return std::nullopt;

  int status = 0;
  waitpid(pid_, &status, 0);
  exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  // What it wrote is in the pipes by now. A grandchild may hold them open: its end is not awaited.
  eventfd_write(exited_fd_.get(), 1);
  reader_.join();
  return exit_code_;
}

std::string Process::StdoutText() const {
  const std::lock_guard lock(mutex_);
  return stdout_text_;
}

std::string Process::StderrText() const {
  const std::lock_guard lock(mutex_);
  return stderr_text_;
}

void Process::ReadOutput() {
  pollfd fds[] = {{.fd = stdout_fd_.get(), .events = POLLIN, .revents = 0},
                  {.fd = stderr_fd_.get(), .events = POLLIN, .revents = 0},
                  {.fd = exited_fd_.get(), .events = POLLIN, .revents = 0}};
  while (fds[2].revents == 0 && (fds[0].fd >= 0 || fds[1].fd >= 0)) {
    poll(fds, 3, -1);
    // poll() ignores negative descriptors: that is how one that has ended leaves.
    if (!ReadAvailable(fds[0].fd, stdout_text_)) fds[0].fd = -1;
    if (!ReadAvailable(fds[1].fd, stderr_text_)) fds[1].fd = -1;
    ReportLines(/*at_end=*/false);
  }
  ReportLines(/*at_end=*/true);
  if (options_.on_output_end) options_.on_output_end();
}

// Reads all that is there. False at the end of the file.
bool Process::ReadAvailable(int fd, std::string& text) {
  if (fd < 0) return false;
  char buffer[16 * 1024];
  while (true) {
    const ssize_t size = read(fd, buffer, sizeof(buffer));
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno == EAGAIN) return true;
    if (size <= 0) return false;
    const std::lock_guard lock(mutex_);
    text.append(buffer, static_cast<size_t>(size));
  }
}

void Process::ReportLines(bool at_end) {
  if (!options_.on_stderr_line) return;
  // Only this thread writes the text, so that it can be read here without the lock.
  const absl::string_view text(stderr_text_);
  while (reported_bytes_ < text.size()) {
    size_t end = text.find('\n', reported_bytes_);
    if (end == absl::string_view::npos) {
      if (!at_end) return;
      end = text.size();
    }
    options_.on_stderr_line(text.substr(reported_bytes_, end - reported_bytes_));
    reported_bytes_ = end + 1;
  }
}

absl::StatusOr<std::string> RunToEnd(std::vector<std::string> argv) {
  const std::string command = absl::StrJoin(argv, " ");
  auto process = Process::Start({.argv = std::move(argv)});
  if (!process.ok()) return process.status();
  const std::optional<int> code = (*process)->WaitForExit();
  if (code == 0) return (*process)->StdoutText();
  return absl::InternalError(
      absl::StrCat(command, code ? absl::StrCat(": exit code ", *code) : ": still runs", "\n",
                   (*process)->StderrText()));
}

}  // namespace tlsbridge::e2e
