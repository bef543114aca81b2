// Clients, a router and backends, each in a network namespace of its own:
//
//   10.7.1.2-9, fd07:1::2 --- 10.7.1.1, fd07:1::1  router  10.7.2.1, fd07:2::1 --- 10.7.2.11-13,
//   fd07:2::11-13
//
// Backends listen on port 9000 of each address, the router on what a test says. Backends have no
// way to clients but by the router's own address, unless a test says so.
//
// Thread: one. Owner: the test. Failure: aborts; Unavailable() has been asked before.
#pragma once

#include <stdint.h>

#include <string>
#include <vector>

#include "tests/router/kernel/support/net_namespace.h"

namespace tlsbridge::testing {

// A socket that is closed with it; waits five seconds for anything.
class Socket {
 public:
  Socket() = default;
  explicit Socket(int fd) : fd_(fd) {}
  Socket(Socket&& other) noexcept : fd_(other.Release()) {}
  Socket& operator=(Socket&& other) noexcept;
  ~Socket() { Close(); }

  bool ok() const { return fd_ >= 0; }
  int fd() const { return fd_; }
  int Release();
  void Close();
  void Reset();     // closes it with a TCP reset
  void EndWrite();  // sends FIN
  bool Send(const std::string& text);
  // Up to so many bytes; "" at the end of the stream, "error" for a reset or when none comes.
  std::string Receive(size_t bytes = 4096);
  std::string PeerAddress() const;

 private:
  int fd_ = -1;
};

class Topology {
 public:
  static constexpr int kBackends = 3;
  static constexpr int kProgram = -2;  // the router's own listener
  static constexpr int kNobody = -1;

  Topology();

  NetNamespace client;
  NetNamespace router;
  NetNamespace backend;

  void RouteBackToClients();
  // A listener of the program's.
  void ListenOnRouter(const std::string& address, uint16_t port);
  void StopBackend(int number);  // its port refuses
  void SilenceBackends();        // they answer nothing

  // A connection, and who took it.
  struct Talk {
    Socket client;
    Socket server;
    int backend = kNobody;  // counted over both families: 0 to 2
  };
  Talk Connect(const std::string& address, uint16_t port, const std::string& from = "");
  // A client's alone; not ok if it was refused or not answered.
  Socket Dial(const std::string& address, uint16_t port, const std::string& from = "");
  // A packet of this connection, from the client, with a sequence number that is far from any that
  // is due: connection tracking calls it invalid.
  void SendInvalidPacket(const Socket& from_client);
  // Sends the first packet and does not wait.
  Socket BeginToDial(const std::string& address, uint16_t port);

 private:
  struct Listener {
    Socket socket;
    int number;
  };
  std::vector<Listener> listeners_;
};

}  // namespace tlsbridge::testing
