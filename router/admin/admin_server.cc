#include "router/admin/admin_server.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace tlsbridge {

absl::StatusOr<ConnectionPage> ConnectionPage::Parse(absl::string_view query) {
  ConnectionPage page;
  for (const absl::string_view parameter : absl::StrSplit(query, '&', absl::SkipEmpty())) {
    const std::pair<absl::string_view, absl::string_view> parts =
        absl::StrSplit(parameter, absl::MaxSplits('=', 1));
    uint64_t number = 0;
    const bool is_number = absl::SimpleAtoi(parts.second, &number);
    if (parts.first == "after" && is_number) {
      page.after = number;
    } else if (parts.first == "limit" && is_number && number >= 1 && number <= kMost) {
      page.limit = number;
    } else {
      return absl::InvalidArgumentError(
          absl::StrCat("use ?limit=N, from 1 to ", kMost, ", and ?after=ID"));
    }
  }
  return page;
}

AdminServer::AdminServer(EventLoop* loop, const ListeningSocket* socket, Source* source)
    : loop_(loop),
      source_(source),
      acceptor_(loop, socket, [this](int fd, const SocketAddress&) { Accept(fd); }) {}

AdminServer::~AdminServer() = default;

void AdminServer::Accept(int fd) {
  if (connections_.size() >= kMaxConnections) connections_.front()->Close();
  AdminConnection::Owner* const owner = this;  // the base is private
  connections_.push_back(std::make_unique<AdminConnection>(loop_, fd, next_id_++, owner));
  connections_.back()->Start();
}

void AdminServer::OnClosed(AdminConnection& connection) {
  const auto it = std::find_if(connections_.begin(), connections_.end(),
                               [&](const auto& owned) { return owned.get() == &connection; });
  loop_->DeleteLater(std::move(*it));
  connections_.erase(it);
}

size_t AdminServer::QueuedBytes() const {
  size_t bytes = 0;
  for (const auto& connection : connections_) bytes += connection->queued_bytes();
  return bytes;
}

void AdminServer::OnRequest(const HttpRequest& request, AdminConnection& connection) {
  if (request.path == "/live") return connection.Answer({200, "text/plain", "live\n"});
  if (request.path == "/ready") {
    const std::string why = source_->unready();
    if (why.empty()) return connection.Answer({200, "text/plain", "ready\n"});
    return connection.Answer({503, "text/plain", why + "\n"});
  }
  if (request.path == "/accepting") {
    if (source_->accepting()) return connection.Answer({200, "text/plain", "accepting\n"});
    return connection.Answer({503, "text/plain", "draining\n"});
  }
  if (request.path == "/connections") {
    const auto page = ConnectionPage::Parse(request.query);
    if (!page.ok()) {
      return connection.Answer(
          {400, "text/plain", absl::StrCat(std::string(page.status().message()), "\n")});
    }
    return Ask(connection, [this, &page](Source::OnJson done) {
      source_->ConnectionsJson(*page, std::move(done));
    });
  }
  if (request.path == "/routes") {
    return Ask(connection, [this](Source::OnJson done) { source_->RoutesJson(std::move(done)); });
  }
  if (request.path == "/certificates") {
    return Ask(connection,
               [this](Source::OnJson done) { source_->CertificatesJson(std::move(done)); });
  }
  connection.Answer({404, "text/plain",
                     "use /live, /ready, /accepting, /connections, /routes or /certificates\n"});
}

void AdminServer::Ask(AdminConnection& connection, absl::FunctionRef<void(Source::OnJson)> what) {
  const HttpAnswer refusal = {503, "text/plain", "others are being answered\n"};
  if (awaited_ >= kMaxAwaited || QueuedBytes() > kMaxQueuedBytes) return connection.Answer(refusal);
  ++awaited_;
  // Whoever asked may have gone when the answer is there.
  what([this, refusal, id = connection.id()](std::string json) {
    --awaited_;
    const auto it = std::find_if(connections_.begin(), connections_.end(),
                                 [id](const auto& owned) { return owned->id() == id; });
    if (it == connections_.end()) return;
    if (QueuedBytes() > kMaxQueuedBytes) return (*it)->Answer(refusal);
    (*it)->Answer({200, "application/json", std::move(json)});
  });
}

}  // namespace tlsbridge
