#include "tests/router/service/sequence/backends.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace tlsbridge::testing {

Backends::Backends() {
  // A port that is free on one address is nearly always free on the others.
  for (int i = 0; i < 20; ++i) {
    const ListeningPeer free;
    if (Bind(free.address().port())) break;
  }
  for (End& end : ends_) EXPECT_EQ(listen(end.fd, 4096), 0);
}

Backends::~Backends() {
  for (const End& end : ends_) close(end.fd);
}

bool Backends::Bind(uint16_t port) {
  bool all = true;
  for (size_t i = 0; i < kCount; ++i) {
    End& end = ends_[i];
    if (end.fd >= 0) close(end.fd);
    end.address = *SocketAddress::Parse(absl::StrCat("127.0.0.", 11 + i, ":", port));
    end.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const int on = 1;  // to listen again, whoever was connected before
    setsockopt(end.fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    all = bind(end.fd, end.address.get(), end.address.length()) == 0 && all;
  }
  return all;
}

// The socket stays bound, so that nobody else takes the port meanwhile.
void Backends::Die(size_t i, absl::Time now) {
  shutdown(ends_[i].fd, SHUT_RDWR);
  ends_[i].up = false;
  ends_[i].ever_down = true;
  ends_[i].since = now;
}

void Backends::ComeBack(size_t i, absl::Time now) {
  EXPECT_EQ(listen(ends_[i].fd, 4096), 0) << errno;
  ends_[i].up = true;
  ends_[i].since = now;
}

const Backends::End* Backends::ByName(const std::string& name) const {
  for (const End& end : ends_) {
    if (end.address.ToString() == name) return &end;
  }
  EXPECT_EQ(name, nobody().ToString());
  return nullptr;
}

bool Backends::IsUp(const std::string& name) const {
  const End* end = ByName(name);
  return end != nullptr && end->up;
}

bool Backends::WasEverDown(const std::string& name) const {
  const End* end = ByName(name);
  return end == nullptr || end->ever_down;
}

absl::Time Backends::Since(const std::string& name) const {
  const End* end = ByName(name);
  return end == nullptr ? absl::InfinitePast() : end->since;
}

void Backends::Step() {
  for (const End& end : ends_) {
    if (!end.up) continue;
    while (true) {
      const int fd = accept4(end.fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) break;
      strangers_.push_back(std::make_unique<Peer>(fd));
    }
  }
  for (auto it = strangers_.begin(); it != strangers_.end();) {
    Peer& peer = **it;
    peer.Step();
    const std::string& said = peer.received();
    const size_t name = said.rfind('#');
    if (name != std::string::npos && said.back() == ';') {
      known_[strtoull(said.c_str() + name + 1, nullptr, 10)] = std::move(*it);
      it = strangers_.erase(it);
    } else if (peer.end() != StreamEnd::kOpen) {
      it = strangers_.erase(it);  // a check
    } else {
      ++it;
    }
  }
  for (const auto& [client, peer] : known_) {
    peer->Step();
    peer->TakeReceived();
  }
}

Peer* Backends::PeerOf(uint64_t client) {
  const auto it = known_.find(client);
  return it == known_.end() ? nullptr : it->second.get();
}

}  // namespace tlsbridge::testing
