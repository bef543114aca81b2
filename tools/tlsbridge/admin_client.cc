#include "tools/tlsbridge/admin_client.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "bridge/socket_address.h"

namespace tlsbridge {
namespace {

// What no answer exceeds: ten thousand connections are 8 MB.
constexpr size_t kMostBytes = size_t{256} << 20;

std::string WhyNot(const std::string& address, int error) {
  switch (error) {
    case ENOENT:
    case ECONNREFUSED:
      return absl::StrCat(
          address, ": no tlsbridge is listening there; start it with --admin-listen ", address,
          " (admin: {address: \"", address, "\"}), or give its address with --admin ADDRESS");
    case ECONNRESET:
    case EPIPE:
      return absl::StrCat(
          address, ": tlsbridge closed the connection without an answer; it may have exited");
    case EACCES:
    case EPERM:
      return absl::StrCat(address,
                          ": permission denied; run this as root or as the user that tlsbridge "
                          "runs as");
    default:
      return absl::StrCat(address, ": ", strerror(error));
  }
}

// False when the time is over.
bool Await(int fd, short events, absl::Time until) {
  const auto left = absl::ToInt64Milliseconds(until - absl::Now());
  pollfd waiting = {.fd = fd, .events = events, .revents = 0};
  return left > 0 && poll(&waiting, 1, static_cast<int>(left)) > 0;
}

}  // namespace

absl::Status AdminClient::NoTlsbridge() const {
  return absl::FailedPreconditionError(
      absl::StrCat(address_,
                   ": not the admin interface of a tlsbridge, or one of another version; give the "
                   "right address with --admin ADDRESS"));
}

absl::StatusOr<AdminAnswer> AdminClient::Ask(absl::string_view method, const std::string& target,
                                             absl::Duration patience) const {
  const auto parsed = SocketAddress::Parse(address_);
  if (!parsed.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--admin: ", std::string(parsed.status().message())));
  }
  const absl::Time until = absl::Now() + patience;
  const absl::Status late = absl::DeadlineExceededError(
      absl::StrCat(address_, ": no answer within ", absl::FormatDuration(patience),
                   "; the process may be stopped (SIGSTOP) or overloaded"));
  const int fd = socket(parsed->family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return absl::InternalError(absl::StrCat("cannot create a socket: ", strerror(errno)));
  const absl::Cleanup close_fd = [fd] { close(fd); };
  if (connect(fd, parsed->get(), parsed->length()) != 0 && errno != EINPROGRESS) {
    // A UNIX socket whose queue is full says so at once.
    return absl::UnavailableError(WhyNot(address_, errno));
  }
  if (!Await(fd, POLLOUT, until)) return late;
  int error = 0;
  socklen_t length = sizeof(error);
  getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
  if (error != 0) return absl::UnavailableError(WhyNot(address_, error));

  const std::string request = absl::StrCat(
      method, " ", target,
      " HTTP/1.1\r\nHost: localhost\r\nTlsbridge-Command: 1\r\nConnection: close\r\n\r\n");
  if (send(fd, request.data(), request.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(request.size())) {
    return absl::UnavailableError(WhyNot(address_, errno));
  }
  std::string answer;
  char buffer[65536];
  while (true) {
    const ssize_t n = recv(fd, buffer, sizeof(buffer), 0);
    if (n > 0) {
      answer.append(buffer, static_cast<size_t>(n));
      constexpr absl::string_view kBegin = "HTTP/1.1 ";
      const size_t known = std::min(answer.size(), kBegin.size());
      // Another server may say what it is, and wait.
      if (answer.compare(0, known, kBegin.data(), known) != 0) return NoTlsbridge();
      if (answer.size() > kMostBytes) return NoTlsbridge();
    } else if (n == 0) {
      break;
    } else if (errno == EAGAIN) {
      if (!Await(fd, POLLIN, until)) return late;
    } else if (errno != EINTR) {
      return absl::UnavailableError(WhyNot(address_, errno));
    }
  }
  const size_t end = answer.find("\r\n\r\n");
  AdminAnswer result;
  if (!absl::StartsWith(answer, "HTTP/1.1 ") || end == std::string::npos ||
      !absl::SimpleAtoi(answer.substr(9, 3), &result.code)) {
    return NoTlsbridge();
  }
  result.body = answer.substr(end + 4);
  return result;
}

absl::StatusOr<nlohmann::ordered_json> AdminClient::GetJson(const std::string& target) const {
  const auto answer = Get(target);
  if (!answer.ok()) return answer.status();
  if (answer->code == 404) return NoTlsbridge();
  if (answer->code != 200) {
    return absl::InvalidArgumentError(
        std::string(absl::StripTrailingAsciiWhitespace(answer->body)));
  }
  auto json = nlohmann::ordered_json::parse(answer->body, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return NoTlsbridge();
  return json;
}

void AppendParameter(absl::string_view name, absl::string_view value, std::string* target) {
  absl::StrAppend(target, absl::StrContains(*target, '?') ? "&" : "?", name, "=");
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    if (absl::ascii_isalnum(byte) || absl::StrContains("-._~:/", c)) {
      target->push_back(c);
    } else {
      absl::StrAppend(target, "%", absl::Hex(byte, absl::kZeroPad2));
    }
  }
}

}  // namespace tlsbridge
