#include "tools/chaos/name_server.h"

#include <errno.h>
#include <sys/socket.h>

namespace tlsbridge::chaos {
namespace {

// RFC 1035, section 4.1.
constexpr size_t kHeaderBytes = 12;
constexpr size_t kFlags = 2;
constexpr size_t kAnswers = 7;  // the low byte of their number
constexpr uint8_t kServerFailure = 2;
constexpr uint8_t kTypeA = 1;
constexpr char kTtlSeconds = 1;

}  // namespace

absl::Status NameServer::Open() {
  udp_ = bench::UniqueFd(socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const bench::Address any = *bench::Address::Parse("127.0.0.1:0");
  if (bind(udp_.get(), any.get(), any.length()) != 0) return absl::ErrnoToStatus(errno, "bind");
  world_->Watch(udp_.get(), this);
  return absl::OkStatus();
}

void NameServer::Step() {
  while (true) {
    char bytes[512];
    sockaddr_storage from = {};
    socklen_t length = sizeof(from);
    const ssize_t n = recvfrom(udp_.get(), bytes, sizeof(bytes), MSG_DONTWAIT,
                               reinterpret_cast<sockaddr*>(&from), &length);
    if (n < 0) return;
    ++asked_;
    if (mood_ == Mood::kIsSilent || static_cast<size_t>(n) < kHeaderBytes) continue;
    const std::string answer = AnswerTo(std::string(bytes, static_cast<size_t>(n)));
    sendto(udp_.get(), answer.data(), answer.size(), MSG_DONTWAIT,
           reinterpret_cast<const sockaddr*>(&from), length);
  }
}

std::string NameServer::AnswerTo(const std::string& query) const {
  size_t end = kHeaderBytes;  // of the question
  while (end < query.size() && query[end] != 0) end += 1 + static_cast<uint8_t>(query[end]);
  end += 5;
  std::string answer = query.substr(0, end);
  if (answer.size() < end) return answer;
  answer[kFlags] = static_cast<char>(0x84);  // a response, authoritative
  answer[kFlags + 1] = static_cast<char>(mood_ == Mood::kFails ? kServerFailure : 0);
  for (size_t at = 6; at < kHeaderBytes; ++at) answer[at] = 0;
  if (mood_ == Mood::kFails || answer[end - 3] != kTypeA) return answer;
  answer[kAnswers] = static_cast<char>(hosts_.size());
  for (const uint8_t host : hosts_) {
    const char record[] = {'\xc0', kHeaderBytes, 0, kTypeA, 0,   1, 0, 0,
                           0,      kTtlSeconds,  0, 4,      127, 0, 0, static_cast<char>(host)};
    answer.append(record, sizeof(record));
  }
  return answer;
}

}  // namespace tlsbridge::chaos
