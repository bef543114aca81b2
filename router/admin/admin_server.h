// What an operator or an orchestrator asks a running process, over HTTP on loopback or a UNIX
// socket.
//
//   GET /live         200 while the process runs
//   GET /ready        200 while it accepts and is not draining, else 503
//   GET /connections  every live connection as JSON
//
// Thread: the control loop's. Owner: the router. Loop, socket and source outlive it.
// Failure: Create() returns a Status; a bad request is answered and changes nothing.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "bridge/event/event_loop.h"
#include "router/listener.h"

struct evhttp;
struct evhttp_request;

namespace tlsbridge {

class AdminServer {
 public:
  class Source {
   public:
    virtual bool ready() const = 0;
    // A JSON document; empty if it could not be had in time.
    virtual std::string ConnectionsJson() = 0;

   protected:
    ~Source() = default;
  };

  static absl::StatusOr<std::unique_ptr<AdminServer>> Create(EventLoop* loop,
                                                             const ListeningSocket* socket,
                                                             Source* source);
  ~AdminServer();
  AdminServer(const AdminServer&) = delete;
  AdminServer& operator=(const AdminServer&) = delete;

 private:
  explicit AdminServer(Source* source) : source_(source) {}

  static void OnRequest(evhttp_request* request, void* self);
  void Answer(evhttp_request* request);

  Source* const source_;  // Not owned.
  evhttp* http_ = nullptr;
};

}  // namespace tlsbridge
