// What an operator or an orchestrator asks a running process, over HTTP on loopback or a UNIX
// socket. kResources lists it; `GET /help` prints that list.
//
// Metrics and probes have nothing that a stranger must not know, so that a server of these alone
// may be on any address. It answers by any Host: a kubelet asks by a pod's address, Prometheus by
// whatever its targets are called, and a page whose name suddenly resolves to this machine gets no
// more than whoever reaches the address.
//
// What changes something is a POST by who is on this machine, with the field that says that it is
// no page in a browser that asks (http.h).
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
#include "absl/strings/string_view.h"
#include "bridge/event/event_loop.h"
#include "router/admin/admin_connection.h"
#include "router/admin/http.h"
#include "router/admin/query.h"
#include "router/listeners/listener.h"
#include "router/log/log.h"
#include "router/log/recent_failures.h"
#include "router/metrics/exposition.h"

namespace tlsbridge {

class AdminServer final : private AdminConnection::Owner {
 public:
  enum class Serves : uint8_t {
    kAll,      // by an address or localhost as Host
    kMetrics,  // and probes
  };

  // Twice what is accepted in one turn, so that in a flood everybody has a turn to ask in.
  static constexpr size_t kMaxConnections = 32;
  // Documents that clients have yet to take; ten thousand connections are about 8 MB.
  static constexpr size_t kMaxQueuedBytes = 32 * 1024 * 1024;
  // Documents that are being made.
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
    virtual void StatusJson(OnText done) = 0;
    virtual void ConnectionsJson(const ConnectionPage& page, OnText done) = 0;
    virtual void EndedJson(const RecentEnds::Query& query, OnText done) = 0;
    virtual void FailuresJson(const RecentFailures::Query& query, OnText done) = 0;
    virtual void RoutesJson(OnText done) = 0;
    virtual void CertificatesJson(OnText done) = 0;
    virtual void Metrics(Exposition::Format format, OnText done) = 0;
    // The process stops, as by SIGTERM. False if it is stopping already, which this does not hurry.
    virtual bool Drain() = 0;
    // Another process is to take this one's place. `done` runs later, with what became of it.
    virtual void Upgrade(absl::AnyInvocable<void(bool ok, std::string text)> done) = 0;
    // False if there is no log that could have a level.
    virtual bool SetLevel(LogLevel level) = 0;

   protected:
    ~Source() = default;
  };

  // Answers nobody before Start().
  AdminServer(EventLoop* loop, const ListeningSocket* socket, Serves serves, Source* source);
  ~AdminServer();
  AdminServer(const AdminServer&) = delete;
  AdminServer& operator=(const AdminServer&) = delete;

  // Before the loop runs. Failure: says what to mend.
  absl::Status Start() { return acceptor_.Start(); }

  // Accepts nobody meanwhile; whoever is there is answered.
  void Pause() { acceptor_.Stop(); }
  void Resume() { acceptor_.StartOrRetry(); }
  // `on_idle` runs once nobody is there, which may be now.
  void AwaitIdle(absl::AnyInvocable<void()> on_idle);

  size_t connections() const { return connections_.size(); }

 private:
  void Accept(int fd);
  void OnRequest(const HttpRequest& request, AdminConnection& connection) override;

  void Page(const HttpRequest& request, AdminConnection& connection);
  void Help(const HttpRequest& request, AdminConnection& connection);
  void Live(const HttpRequest& request, AdminConnection& connection);
  void Ready(const HttpRequest& request, AdminConnection& connection);
  void Accepting(const HttpRequest& request, AdminConnection& connection);
  void Status(const HttpRequest& request, AdminConnection& connection);
  void Connections(const HttpRequest& request, AdminConnection& connection);
  void Ended(const HttpRequest& request, AdminConnection& connection);
  void Failures(const HttpRequest& request, AdminConnection& connection);
  void Routes(const HttpRequest& request, AdminConnection& connection);
  void Certificates(const HttpRequest& request, AdminConnection& connection);
  void Metrics(const HttpRequest& request, AdminConnection& connection);
  void Version(const HttpRequest& request, AdminConnection& connection);
  void Drain(const HttpRequest& request, AdminConnection& connection);
  void Upgrade(const HttpRequest& request, AdminConnection& connection);
  void SetLevel(const HttpRequest& request, AdminConnection& connection);

  // What can be asked for.
  enum class Method : uint8_t { kGet, kPost };  // HEAD is as GET
  struct Resource {
    Method method;
    absl::string_view path;
    absl::string_view about;
    void (AdminServer::*answer)(const HttpRequest&, AdminConnection&);
    Serves by;  // kAll if it is not said; what kMetrics answers kAll does, too
  };
  static constexpr std::array<Resource, 16> kResources = {{
      {Method::kGet, "/", "a page that shows all of this, for a browser", &AdminServer::Page},
      {Method::kGet, "/help", "this list", &AdminServer::Help},
      {Method::kGet, "/live", "200 while the process runs", &AdminServer::Live, Serves::kMetrics},
      {Method::kGet, "/ready", "200 while it serves every route, else 503 and why not",
       &AdminServer::Ready, Serves::kMetrics},
      {Method::kGet, "/accepting", "200 until it is stopped, then 503", &AdminServer::Accepting,
       Serves::kMetrics},
      {Method::kGet, "/status", "its state in one document: JSON", &AdminServer::Status},
      {Method::kGet, "/connections",
       "live connections: JSON; ?route= &reason= &peer= &state= &limit= &after=ID",
       &AdminServer::Connections},
      {Method::kGet, "/ended",
       "the last connections that ended in order: JSON; ?id= &route= &reason= &peer= &limit=",
       &AdminServer::Ended},
      {Method::kGet, "/failures",
       "the last connections that failed: JSON; ?reason= &route= &limit= &after=NUMBER",
       &AdminServer::Failures},
      {Method::kGet, "/routes", "counters of each route, and its backends: JSON",
       &AdminServer::Routes},
      {Method::kGet, "/certificates", "certificates and other dated files, with their expiry: JSON",
       &AdminServer::Certificates},
      {Method::kGet, "/metrics", "all metrics, for Prometheus", &AdminServer::Metrics,
       Serves::kMetrics},
      {Method::kGet, "/version", "the program's version", &AdminServer::Version},
      {Method::kPost, "/drain",
       "stops it gracefully, like SIGTERM; needs the header Tlsbridge-Command",
       &AdminServer::Drain},
      {Method::kPost, "/upgrade",
       "hot restart: a new process takes over; needs the header Tlsbridge-Command",
       &AdminServer::Upgrade},
      {Method::kPost, "/log-level",
       "sets the log level until a restart: ?level=debug and so on; needs the header "
       "Tlsbridge-Command",
       &AdminServer::SetLevel},
  }};
  bool Has(const Resource& resource) const {
    return serves_ == Serves::kAll || resource.by == serves_;
  }
  std::string List() const;

  // Asks the source for a document of this media type.
  void Ask(AdminConnection& connection, absl::string_view type,
           absl::FunctionRef<void(Source::OnText)> what);
  void OnClosed(AdminConnection& connection) override;
  size_t QueuedBytes() const;

  EventLoop* const loop_;  // Not owned.
  const Serves serves_;
  Source* const source_;  // Not owned.
  uint64_t next_id_ = 0;
  int awaited_ = 0;
  absl::AnyInvocable<void()> on_idle_;
  std::vector<std::unique_ptr<AdminConnection>> connections_;  // the oldest first
  Acceptor acceptor_;
};

}  // namespace tlsbridge
