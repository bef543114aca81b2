// An HTTP/1.1 backend inside the test program, with keep-alive.
//
//   GET /download/BYTES   Payload(BYTES)
//   PUT or POST /upload   {"bytes": N, "checksum": Checksum(body)}
//   anything else         {"method", "path", "headers": {lower-case name: value}, "body_bytes",
//                          "connection", "request"}; the last two count from 1, the connection over
//                         the backend's life, the request over the connection's
//
// Threads, lifetime and failure are TcpBackend's. A request that it does not understand (bodies
// need Content-Length) is answered with 400, and the connection closed.

#pragma once

#include <atomic>
#include <string>

#include "absl/strings/string_view.h"
#include "tests/e2e/harness/tcp_backend.h"

namespace tlsbridge::e2e {

class HttpBackend {
 public:
  explicit HttpBackend(absl::string_view listen = "127.0.0.1:0");

  const std::string& address() const { return backend_.address(); }
  int connections_accepted() const { return backend_.connections_accepted(); }
  // Whole ones; each is counted before it is answered.
  int requests_received() const { return requests_received_; }

 private:
  void Serve(Socket& connection);

  std::atomic<int> connections_served_ = 0;
  std::atomic<int> requests_received_ = 0;
  TcpBackend backend_;  // Last: its threads use the others.
};

}  // namespace tlsbridge::e2e
