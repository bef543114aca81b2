#include "router/host/service_manager.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "router/host/descriptor_message.h"
#include "router/log/log.h"

namespace tlsbridge {
namespace {

// What waits for a manager that takes nothing: it is short, unless something is wrong.
constexpr size_t kMostUntold = 4096;

// Empty if there is none.
std::string TakeVariable(const char* name) {
  const char* const value = getenv(name);
  std::string text = value == nullptr ? "" : value;
  unsetenv(name);
  return text;
}

// 0 for one that is no UNIX address.
socklen_t ParseAddress(const std::string& text, sockaddr_un* address) {
  if (text.size() < 2 || text.size() > sizeof(address->sun_path) - 1) return 0;
  if (text[0] != '/' && text[0] != '@') return 0;
  address->sun_family = AF_UNIX;
  memcpy(address->sun_path, text.data(), text.size());
  if (text[0] == '@') address->sun_path[0] = '\0';
  // An abstract name ends with its last byte, a path with a NUL.
  return static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + text.size() +
                                (text[0] == '/' ? 1 : 0));
}

}  // namespace

ServiceManager ServiceManager::FromEnvironment() {
  ServiceManager manager;
  const std::string socket_name = TakeVariable("NOTIFY_SOCKET");
  const std::string usec = TakeVariable("WATCHDOG_USEC");
  const std::string pid = TakeVariable("WATCHDOG_PID");
  if (socket_name.empty()) return manager;
  manager.path_ = socket_name;
  manager.length_ = ParseAddress(socket_name, &manager.address_);
  if (manager.length_ == 0) {
    manager.trouble_ = "NOTIFY_SOCKET is neither a path nor an abstract name";
    return manager;
  }
  manager.fd_ = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (manager.fd_ < 0) {
    manager.trouble_ = absl::StrCat("cannot create a socket to it: ", strerror(errno));
    return manager;
  }
  int64_t number = 0;
  const bool ours = pid.empty() || (absl::SimpleAtoi(pid, &number) && number == getpid());
  if (ours && absl::SimpleAtoi(usec, &number) && number > 0) {
    manager.watchdog_ = absl::Microseconds(number);
  }
  return manager;
}

ServiceManager::ServiceManager(ServiceManager&& other) noexcept { *this = std::move(other); }

ServiceManager& ServiceManager::operator=(ServiceManager&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(address_, other.address_);
  std::swap(length_, other.length_);
  std::swap(path_, other.path_);
  std::swap(watchdog_, other.watchdog_);
  std::swap(untold_, other.untold_);
  std::swap(trouble_, other.trouble_);
  std::swap(warned_, other.warned_);
  return *this;
}

ServiceManager::~ServiceManager() {
  if (fd_ >= 0) close(fd_);
}

std::vector<std::string> ServiceManager::Environment() const {
  std::vector<std::string> variables;
  if (!listens()) return variables;
  variables.push_back(absl::StrCat("NOTIFY_SOCKET=", path_));
  if (watchdog_ > absl::ZeroDuration()) {
    variables.push_back(absl::StrCat("WATCHDOG_USEC=", absl::ToInt64Microseconds(watchdog_)));
  }
  return variables;
}

bool ServiceManager::Notify(absl::string_view assignments, absl::Span<const int> descriptors) {
  if (!listens()) {
    if (!trouble_.empty()) WarnOnce(trouble_);
    return false;
  }
  // Descriptors are for their own assignments alone.
  if (!descriptors.empty()) return Send(assignments, descriptors);
  const std::string text =
      untold_.empty() ? std::string(assignments) : absl::StrCat(untold_, "\n", assignments);
  if (Send(text, {})) {
    untold_.clear();
    return true;
  }
  const bool full = errno == EAGAIN || errno == ENOBUFS;
  if (full && text.size() <= kMostUntold) untold_ = text;
  if (!full) WarnOnce(strerror(errno));
  return false;
}

void ServiceManager::WarnOnce(absl::string_view message) {
  if (std::exchange(warned_, true)) return;
  LogEvent(LogLevel::kWarning, "service_manager_unreachable")
      .Text("address", path_)
      .Text("message", message)
      .Text("hint", "the service manager may consider the service failed, and stop it");
}

bool ServiceManager::Send(absl::string_view text, absl::Span<const int> descriptors) const {
  if (descriptors.size() > kMostDescriptors) {
    errno = E2BIG;
    return false;
  }
  const MessageAddress to = {reinterpret_cast<const sockaddr*>(&address_), length_};
  return SendWithDescriptors(fd_, text, descriptors, MSG_DONTWAIT, to) >= 0;
}

}  // namespace tlsbridge
