// A peer under a test's control: a non-blocking TCP or UNIX socket that notes what it receives and
// how its stream ends.
//
// Thread: the test's. Owner: the test. Failure: CHECKs of gtest where set-up fails; what the
// network does is noted.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "bridge/socket_address.h"

namespace tlsbridge::testing {

// How the other end's stream came to its end, as this end's kernel tells it.
enum class StreamEnd { kOpen, kFin, kReset };

class Peer {
 public:
  // Begins to connect; the handshake of TCP goes on by itself.
  static std::unique_ptr<Peer> Connect(const SocketAddress& address);
  explicit Peer(int fd);
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;
  ~Peer();

  // Sends as much as the socket takes, now and at each Step().
  void Send(const std::string& bytes);
  // FIN, behind the last byte.
  void Fin() { fin_wanted_ = true, Step(); }
  // RST, now: what is unsent or unread is lost.
  void Reset();
  // close(): FIN, or RST if bytes are unread.
  void Close();

  // Reads nothing until told again: a stalled reader.
  void StallReading(bool stalled) { stalled_ = stalled; }
  // The kernel's buffers, made small so that a stall is felt soon. Bytes then trickle at the pace
  // of the kernel's own timers.
  void ShrinkBuffers(int bytes);

  // Sends and receives what is possible now.
  void Step();

  const std::string& received() const { return received_; }
  std::string TakeReceived() { return std::exchange(received_, {}); }
  size_t unsent() const { return unsent_.size() - sent_; }
  // Of what was sent, the bytes that the other end's kernel does not have yet.
  int Unacknowledged() const;
  StreamEnd end() const { return end_; }
  int fd() const { return fd_; }

 private:
  void Flush();
  void Receive();

  int fd_;
  std::string unsent_;
  size_t sent_ = 0;  // of unsent_: cutting that much off its front each time would take for ever
  std::string received_;
  StreamEnd end_ = StreamEnd::kOpen;
  bool fin_wanted_ = false;
  bool fin_sent_ = false;
  bool stalled_ = false;
};

// Accepts peers on a free port of loopback, or on `address`.
class ListeningPeer {
 public:
  ListeningPeer();
  explicit ListeningPeer(const SocketAddress& address, int backlog = 4096);
  ~ListeningPeer();

  const SocketAddress& address() const { return address_; }
  // Null while nobody has connected.
  std::unique_ptr<Peer> Accept();
  // From now on connections are refused.
  void Close();

 private:
  int fd_;
  SocketAddress address_;
};

// A port that never answers: its queue is full, so that the kernel drops whatever else asks for it.
class BlackHole {
 public:
  BlackHole();
  const SocketAddress& address() const { return listener_.address(); }

 private:
  ListeningPeer listener_;
  std::unique_ptr<Peer> filler_;
};

}  // namespace tlsbridge::testing
