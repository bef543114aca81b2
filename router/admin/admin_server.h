// What an operator or an orchestrator asks a running process, over HTTP on loopback or a UNIX
// socket.
//
//   GET /live         200 while the process runs
//   GET /ready        200 while it accepts and is not draining, else 503
//   GET /connections  live connections as JSON: ?limit=N of them (10000 at most), those whose ids
//                     are greater than ?after=ID; `next` is the last one's where there are more
//   GET /routes       every route, and how its connections ended, as JSON
//   GET /certificates every certificate that is served, as JSON
//   GET /metrics      what is counted and measured, as Prometheus reads it
//   GET /version      the program's version
//
// Thread: the control loop's. Owner: the router. Loop, socket and source outlive it.
// Failure: a bad request is answered and changes nothing; when too many clients ask at once, the
// one that came first must go, so that nobody can keep others from asking.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "bridge/event/event_loop.h"
#include "router/admin/admin_connection.h"
#include "router/admin/http.h"
#include "router/listeners/listener.h"
#include "router/metrics/exposition.h"

namespace tlsbridge {

// Some of the live connections: `limit` of those whose ids come next behind `after`.
struct ConnectionPage {
  static constexpr size_t kMost = 10000;

  // From "after=7&limit=100", each of which may be missing. Failure: says what is wrong.
  static absl::StatusOr<ConnectionPage> Parse(absl::string_view query);

  uint64_t after = 0;
  size_t limit = kMost;
};

class AdminServer final : private AdminConnection::Owner {
 public:
  // Twice what is accepted in one turn, so that in a flood everybody has a turn to ask in.
  static constexpr size_t kMaxConnections = 32;
  // Lists of connections that clients have yet to take; ten thousand connections are about 6 MB.
  static constexpr size_t kMaxQueuedBytes = 32 * 1024 * 1024;
  // Lists that are being made.
  static constexpr int kMaxAwaited = 4;

  class Source {
   public:
    using OnText = absl::AnyInvocable<void(std::string text)>;

    // Whether clients are accepted, and what keeps the process from being ready all the same:
    // "draining" where they are not; empty for nothing.
    virtual bool accepting() const = 0;
    virtual std::string unready() const = 0;
    // Each calls `done` with a document, now or later, on the control loop; never once the server
    // is gone.
    virtual void ConnectionsJson(const ConnectionPage& page, OnText done) = 0;
    virtual void RoutesJson(OnText done) = 0;
    virtual void CertificatesJson(OnText done) = 0;
    virtual void Metrics(Exposition::Format format, OnText done) = 0;

   protected:
    ~Source() = default;
  };

  // Answers nobody before Start().
  AdminServer(EventLoop* loop, const ListeningSocket* socket, Source* source);
  ~AdminServer();
  AdminServer(const AdminServer&) = delete;
  AdminServer& operator=(const AdminServer&) = delete;

  // Before the loop runs. Failure: says what to mend.
  absl::Status Start() { return acceptor_.Start(); }

  size_t connections() const { return connections_.size(); }

 private:
  void Accept(int fd);
  void OnRequest(const HttpRequest& request, AdminConnection& connection) override;

  void Live(const HttpRequest& request, AdminConnection& connection);
  void Ready(const HttpRequest& request, AdminConnection& connection);
  void Accepting(const HttpRequest& request, AdminConnection& connection);
  void Connections(const HttpRequest& request, AdminConnection& connection);
  void Routes(const HttpRequest& request, AdminConnection& connection);
  void Certificates(const HttpRequest& request, AdminConnection& connection);
  void Metrics(const HttpRequest& request, AdminConnection& connection);
  void Version(const HttpRequest& request, AdminConnection& connection);

  // What can be asked for.
  struct Resource {
    absl::string_view path;
    void (AdminServer::*answer)(const HttpRequest&, AdminConnection&);
  };
  static constexpr std::array<Resource, 8> kResources = {{
      {"/live", &AdminServer::Live},
      {"/ready", &AdminServer::Ready},
      {"/accepting", &AdminServer::Accepting},
      {"/connections", &AdminServer::Connections},
      {"/routes", &AdminServer::Routes},
      {"/certificates", &AdminServer::Certificates},
      {"/metrics", &AdminServer::Metrics},
      {"/version", &AdminServer::Version},
  }};

  // Asks the source for a document of this media type.
  void Ask(AdminConnection& connection, absl::string_view type,
           absl::FunctionRef<void(Source::OnText)> what);
  void OnClosed(AdminConnection& connection) override;
  size_t QueuedBytes() const;

  EventLoop* const loop_;  // Not owned.
  Source* const source_;   // Not owned.
  uint64_t next_id_ = 0;
  int awaited_ = 0;
  std::vector<std::unique_ptr<AdminConnection>> connections_;  // the oldest first
  Acceptor acceptor_;
};

}  // namespace tlsbridge
