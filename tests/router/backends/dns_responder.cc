#include "tests/router/backends/dns_responder.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace tlsbridge::testing {
namespace {

constexpr uint16_t kTypeA = 1;
constexpr uint16_t kTypeAaaa = 28;
constexpr uint16_t kTypeSrv = 33;
constexpr size_t kHeaderBytes = 12;

std::string U16(uint32_t value) {
  return {static_cast<char>(value >> 8 & 0xff), static_cast<char>(value & 0xff)};
}
std::string U32(uint32_t value) { return U16(value >> 16) + U16(value & 0xffff); }

}  // namespace

DnsResponder::DnsResponder(EventLoop* loop) : loop_(loop) {
  // Both on one port: another try if somebody has the other half.
  for (int i = 0; i < 20 && tcp_ < 0; ++i) {
    udp_ = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    tcp_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const SocketAddress any = *SocketAddress::Parse("127.0.0.1:0");
    EXPECT_EQ(bind(udp_, any.get(), any.length()), 0);
    address_ = SocketAddress::LocalOf(udp_);
    if (bind(tcp_, address_.get(), address_.length()) == 0) break;
    close(std::exchange(udp_, -1));
    close(std::exchange(tcp_, -1));
  }
  EXPECT_EQ(listen(tcp_, 8), 0);
  events_.push_back(std::make_unique<FdEvent>(loop, udp_, [this] { OnUdp(); }));
  events_.push_back(std::make_unique<FdEvent>(loop, tcp_, [this] { OnTcp(); }));
  for (const auto& event : events_) EXPECT_EQ(event->Enable(), 0);
}

DnsResponder::~DnsResponder() {
  events_.clear();
  for (const int fd : connections_) close(fd);
  close(udp_);
  close(tcp_);
}

std::string DnsResponder::EncodeName(const std::string& name) {
  std::string encoded;
  size_t begin = 0;
  while (begin < name.size()) {
    const size_t end = std::min(name.find('.', begin), name.size());
    if (end > begin) encoded += static_cast<char>(end - begin) + name.substr(begin, end - begin);
    begin = end + 1;
  }
  return encoded + '\0';
}

void DnsResponder::SetAddresses(const std::string& name, const std::vector<std::string>& addresses,
                                uint32_t ttl) {
  std::vector<Record>& v4 = zone_[{name, kTypeA}];
  std::vector<Record>& v6 = zone_[{name, kTypeAaaa}];
  v4.clear();
  v6.clear();
  for (const std::string& text : addresses) {
    char bytes[16];
    if (inet_pton(AF_INET, text.c_str(), bytes) == 1) {
      v4.push_back({ttl, std::string(bytes, 4)});
    } else if (inet_pton(AF_INET6, text.c_str(), bytes) == 1) {
      v6.push_back({ttl, std::string(bytes, 16)});
    } else {
      ADD_FAILURE() << text;
    }
  }
}

void DnsResponder::SetServices(const std::string& name, const std::vector<SrvRecord>& records,
                               uint32_t ttl) {
  std::vector<Record>& all = zone_[{name, kTypeSrv}];
  all.clear();
  for (const SrvRecord& srv : records) {
    all.push_back(
        {ttl, U16(srv.priority) + U16(srv.weight) + U16(srv.port) + EncodeName(srv.target)});
  }
}

void DnsResponder::OnUdp() {
  char buffer[2048];
  sockaddr_storage from;
  socklen_t length = sizeof(from);
  const ssize_t n =
      recvfrom(udp_, buffer, sizeof(buffer), 0, reinterpret_cast<sockaddr*>(&from), &length);
  if (n < static_cast<ssize_t>(kHeaderBytes)) return;
  ++udp_questions_;
  if (mode_ == Mode::kSilent) return;
  const std::string answer = Answer(std::string(buffer, n), /*udp=*/true);
  sendto(udp_, answer.data(), answer.size(), 0, reinterpret_cast<sockaddr*>(&from), length);
}

void DnsResponder::OnTcp() {
  const int fd = accept4(tcp_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) return;
  connections_.push_back(fd);
  auto input = std::make_shared<std::string>();
  events_.push_back(std::make_unique<FdEvent>(loop_, fd, [this, fd, input, at = events_.size()] {
    char buffer[2048];
    const ssize_t n = recv(fd, buffer, sizeof(buffer), 0);
    if (n <= 0) return events_[at]->Disable();
    input->append(buffer, n);
    // Several questions may share a connection.
    while (input->size() >= 2) {
      const size_t length =
          static_cast<uint8_t>((*input)[0]) << 8 | static_cast<uint8_t>((*input)[1]);
      if (input->size() < 2 + length) return;
      ++tcp_questions_;
      const std::string answer = Answer(input->substr(2, length), /*udp=*/false);
      const std::string framed = U16(static_cast<uint32_t>(answer.size())) + answer;
      EXPECT_EQ(send(fd, framed.data(), framed.size(), MSG_NOSIGNAL),
                static_cast<ssize_t>(framed.size()));
      input->erase(0, 2 + length);
    }
  }));
  EXPECT_EQ(events_.back()->Enable(), 0);
}

std::string DnsResponder::Answer(const std::string& question, bool udp) {
  if (mode_ == Mode::kGarbage) return question.substr(0, 2) + "\x84\x00\x00\x01\x00\x09 no answer";
  std::string name;
  size_t at = kHeaderBytes;
  while (at < question.size() && question[at] != 0) {
    if (!name.empty()) name += '.';
    const auto length = static_cast<uint8_t>(question[at]);
    name += question.substr(at + 1, length);
    at += 1 + length;
  }
  const std::string asked = question.substr(kHeaderBytes, at + 5 - kHeaderBytes);
  const auto type = static_cast<uint16_t>(static_cast<uint8_t>(question[at + 1]) << 8 |
                                          static_cast<uint8_t>(question[at + 2]));
  const auto it = zone_.find({name, type});
  const bool exists = zone_.lower_bound({name, 0}) != zone_.end() &&
                      zone_.lower_bound({name, 0})->first.first == name;
  const bool truncated = udp && mode_ == Mode::kTruncateUdp;
  uint32_t rcode = exists ? 0 : 3;
  if (mode_ == Mode::kServfail) rcode = 2;
  std::string records;
  uint32_t count = 0;
  if (rcode == 0 && !truncated && it != zone_.end()) {
    for (const Record& record : it->second) {
      records += U16(0xc00c) + U16(type) + U16(1) + U32(record.ttl) +
                 U16(static_cast<uint32_t>(record.data.size())) + record.data;
      ++count;
    }
  }
  const uint32_t flags = 0x8580 | (truncated ? 0x0200 : 0) | rcode;
  return question.substr(0, 2) + U16(flags) + U16(1) + U16(count) + U16(0) + U16(0) + asked +
         records;
}

}  // namespace tlsbridge::testing
