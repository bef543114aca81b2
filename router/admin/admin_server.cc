#include "router/admin/admin_server.h"

#include <algorithm>
#include <utility>

namespace tlsbridge {

AdminServer::AdminServer(EventLoop* loop, const ListeningSocket* socket, Source* source)
    : loop_(loop),
      source_(source),
      acceptor_(loop, socket, [this](int fd, const SocketAddress&) { Accept(fd); }) {}

AdminServer::~AdminServer() = default;

void AdminServer::Accept(int fd) {
  if (connections_.size() >= kMaxConnections) connections_.front()->Close();
  AdminConnection::Owner* const owner = this;  // the base is private
  connections_.push_back(std::make_unique<AdminConnection>(loop_, fd, owner));
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

HttpAnswer AdminServer::Answer(const HttpRequest& request) {
  if (request.path == "/live") return {200, "text/plain", "live\n"};
  if (request.path == "/ready") {
    if (source_->ready()) return {200, "text/plain", "ready\n"};
    return {503, "text/plain", "draining\n"};
  }
  if (request.path == "/connections") {
    if (QueuedBytes() > kMaxQueuedBytes) return {503, "text/plain", "others are being answered\n"};
    std::string json = source_->ConnectionsJson();
    if (!json.empty()) return {200, "application/json", std::move(json)};
    return {503, "text/plain", "no answer in time\n"};
  }
  return {404, "text/plain", "use /live, /ready or /connections\n"};
}

}  // namespace tlsbridge
