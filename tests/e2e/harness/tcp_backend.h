// A plaintext backend inside the test program: a callback for each connection, on a thread of its
// own.
//
// Threads: owned by one; the accessors are for any. Lifetime: the destructor stops listening, makes
// the pending calls of every connection's Socket fail, and joins the threads. What the callback
// uses must outlive the object. Failure to listen ends the test program.

#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/string_view.h"
#include "tests/e2e/harness/socket.h"
#include "tests/e2e/harness/unique_fd.h"

namespace tlsbridge::e2e {

class TcpBackend {
 public:
  // Returning closes the socket: with FIN, or with RST when input was left unread.
  using Handler = std::function<void(Socket& connection)>;

  // `listen` is "127.0.0.1:0", "[::1]:0" or "unix:/path".
  explicit TcpBackend(Handler handler, absl::string_view listen = "127.0.0.1:0");
  ~TcpBackend();
  TcpBackend(const TcpBackend&) = delete;
  TcpBackend& operator=(const TcpBackend&) = delete;

  // What tlsbridge is told to dial.
  const std::string& address() const { return address_; }
  int connections_accepted() const { return connections_accepted_; }

 private:
  void Accept();

  const Handler handler_;
  std::string address_;
  UniqueFd listener_;
  UniqueFd stop_fd_;  // An eventfd that every wait watches.
  std::atomic<int> connections_accepted_ = 0;
  struct Connection {
    std::thread thread;
    std::shared_ptr<std::atomic<bool>> over;
  };
  void JoinThoseThatAreOver();

  std::vector<Connection> connections_;  // Used by acceptor_ only.
  std::thread acceptor_;
};

// Handlers: what comes goes back, as it comes or a line at a time, until the peer has ended.
void EchoBytes(Socket& connection);
void EchoLines(Socket& connection);

}  // namespace tlsbridge::e2e
