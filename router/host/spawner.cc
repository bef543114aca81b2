#include "router/host/spawner.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <iterator>
#include <set>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/types/span.h"
#include "router/host/descriptor_message.h"

namespace tlsbridge {
namespace {

constexpr size_t kMostBytes = 64 * 1024;
constexpr int kPatienceMilliseconds = 5000;
// What a question begins with.
constexpr char kStart = 'S';  // the rest: the descriptor's variable and others, NUL between them
constexpr char kKill = 'K';   // a pid
constexpr char kReap = 'R';

constexpr int kIgnored[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGPIPE};

// `fd` goes along unless it is -1.
bool Send(int socket, absl::Span<const char> bytes, int fd = -1) {
  const auto fds = absl::MakeConstSpan(&fd, fd < 0 ? 0 : 1);
  return SendWithDescriptors(socket, bytes, fds, 0) == static_cast<ssize_t>(bytes.size());
}

// Empty at the end. `fd` gets a descriptor that came along, or -1.
std::string Receive(int socket, int* fd) {
  std::string text(kMostBytes, '\0');
  ReceivedMessage message;
  do {
    message = ReceiveWithDescriptors(socket, absl::MakeSpan(&text[0], text.size()),
                                     /*most_descriptors=*/1, 0);
  } while (message.size < 0 && errno == EINTR);
  *fd = message.descriptors.empty() ? -1 : message.descriptors.front();
  if (message.size <= 0) return "";
  text.resize(static_cast<size_t>(message.size));
  return text;
}

// ---- The helper.

class Helper {
 public:
  Helper(int socket, Spawner::What what) : socket_(socket), what_(std::move(what)) {}

  [[noreturn]] void Run() {
    while (true) {
      int fd = -1;
      const std::string question = Receive(socket_, &fd);
      if (question.empty()) _exit(0);
      int answer[2] = {0, 0};
      if (question[0] == kStart) {
        answer[0] = Start(question.substr(1), fd, &answer[1]);
      } else {
        answer[0] = Look(question, &answer[1]);
      }
      if (fd >= 0) close(fd);
      if (!Send(socket_, {reinterpret_cast<const char*>(answer), sizeof(answer)})) _exit(0);
    }
  }

 private:
  int Start(const std::string& variables, int fd, int* child) {
    if (fd < 0) return EBADF;
    std::vector<std::string> arguments = what_.arguments;
    std::vector<std::string> environment = what_.environment;
    std::vector<std::string> more = absl::StrSplit(variables, '\0', absl::SkipEmpty());
    if (more.empty()) return EINVAL;
    absl::StrAppend(&more.front(), "=", fd);
    std::move(more.begin(), more.end(), std::back_inserter(environment));

    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fd, fd);  // which makes it survive the exec
    sigset_t none, defaults;
    sigemptyset(&none);
    sigemptyset(&defaults);
    for (const int signal : kIgnored) sigaddset(&defaults, signal);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    pid_t pid = 0;
    const int error = posix_spawn(&pid, what_.path.c_str(), &actions, &attributes,
                                  Pointers(&arguments).data(), Pointers(&environment).data());
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    if (error == 0) children_.insert(pid);
    *child = pid;
    return error;
  }

  // ECHILD of one that is not its own, EAGAIN of one that lives.
  int Look(const std::string& question, int* status) {
    pid_t pid = 0;
    if (!absl::SimpleAtoi(question.substr(1), &pid) || children_.count(pid) == 0) return ECHILD;
    if (question[0] == kKill) return kill(pid, SIGKILL) == 0 ? 0 : errno;
    if (waitpid(pid, status, WNOHANG) != pid) return EAGAIN;
    children_.erase(pid);
    return 0;
  }

  static std::vector<char*> Pointers(std::vector<std::string>* strings) {
    std::vector<char*> pointers;
    for (std::string& text : *strings) pointers.push_back(text.data());
    pointers.push_back(nullptr);
    return pointers;
  }

  const int socket_;
  const Spawner::What what_;
  std::set<pid_t> children_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Spawner>> Spawner::Fork(What what) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    return absl::ErrnoToStatus(errno,
                               "cannot create a socket for the helper that starts successors");
  }
  const pid_t helper = fork();
  if (helper < 0) {
    const int error = errno;
    for (const int fd : ends) close(fd);
    return absl::ErrnoToStatus(error, "cannot start the helper that starts successors");
  }
  if (helper > 0) {
    close(ends[1]);
    return std::unique_ptr<Spawner>(new Spawner(ends[0], helper));
  }
  // It must keep nothing open that others wait for the end of, and lives as long as its process.
  const auto mine = static_cast<unsigned>(ends[1]);
  if (mine > 3) close_range(3, mine - 1, 0);
  close_range(mine + 1, ~0U, 0);
  for (const int signal : kIgnored) ::signal(signal, SIG_IGN);
  prctl(PR_SET_NAME, "tlsbridge-start");
  Helper(ends[1], std::move(what)).Run();
}

Spawner::~Spawner() {
  close(fd_);
  waitpid(helper_, nullptr, 0);  // it has seen that, and is no zombie
}

absl::StatusOr<pid_t> Spawner::Start(const std::vector<std::string>& variables,
                                     const std::string& fd_variable, int fd) {
  std::string question = absl::StrCat(std::string(1, kStart), fd_variable);
  for (const std::string& variable : variables) {
    absl::StrAppend(&question, std::string(1, '\0'), variable);
  }
  if (question.size() > kMostBytes)
    return absl::InvalidArgumentError("the environment is too long");
  const Answer answer = Ask(question, fd);
  if (answer.error != 0) return absl::ErrnoToStatus(answer.error, "cannot start the new process");
  return answer.value;
}

void Spawner::Kill(pid_t child) { Ask(absl::StrCat(std::string(1, kKill), child), -1); }

std::optional<int> Spawner::Reap(pid_t child) {
  const Answer answer = Ask(absl::StrCat(std::string(1, kReap), child), -1);
  if (answer.error != 0) return std::nullopt;
  return answer.value;
}

Spawner::Answer Spawner::Ask(const std::string& question, int fd) {
  if (!Send(fd_, question, fd)) return {.error = errno};
  pollfd readable = {fd_, POLLIN, 0};
  if (poll(&readable, 1, kPatienceMilliseconds) != 1) return {.error = ETIMEDOUT};
  int answer[2];
  const ssize_t length = recv(fd_, answer, sizeof(answer), 0);
  if (length != sizeof(answer)) return {.error = EPIPE};
  return {.error = answer[0], .value = answer[1]};
}

}  // namespace tlsbridge
