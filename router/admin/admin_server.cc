#include "router/admin/admin_server.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "router/config/version.h"

namespace tlsbridge {
namespace {

constexpr absl::string_view kText = "text/plain";
constexpr absl::string_view kJson = "application/json";

}  // namespace

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
  for (const Resource& resource : kResources) {
    if (request.path == resource.path) return (this->*resource.answer)(request, connection);
  }
  const auto append_path = [](std::string* out, const Resource& resource) {
    absl::StrAppend(out, resource.path);
  };
  connection.Answer(
      {404, kText,
       absl::StrCat("use one of ", absl::StrJoin(kResources, ", ", append_path), "\n")});
}

void AdminServer::Live(const HttpRequest& /*request*/, AdminConnection& connection) {
  connection.Answer({200, kText, "live\n"});
}

void AdminServer::Ready(const HttpRequest& /*request*/, AdminConnection& connection) {
  const std::string why = source_->unready();
  if (why.empty()) return connection.Answer({200, kText, "ready\n"});
  connection.Answer({503, kText, why + "\n"});
}

void AdminServer::Accepting(const HttpRequest& /*request*/, AdminConnection& connection) {
  if (source_->accepting()) return connection.Answer({200, kText, "accepting\n"});
  connection.Answer({503, kText, "draining\n"});
}

void AdminServer::Connections(const HttpRequest& request, AdminConnection& connection) {
  const auto page = ConnectionPage::Parse(request.query);
  if (!page.ok()) {
    return connection.Answer(
        {400, kText, absl::StrCat(std::string(page.status().message()), "\n")});
  }
  Ask(connection, kJson,
      [this, &page](Source::OnText done) { source_->ConnectionsJson(*page, std::move(done)); });
}

void AdminServer::Routes(const HttpRequest& /*request*/, AdminConnection& connection) {
  Ask(connection, kJson, [this](Source::OnText done) { source_->RoutesJson(std::move(done)); });
}

void AdminServer::Certificates(const HttpRequest& /*request*/, AdminConnection& connection) {
  Ask(connection, kJson,
      [this](Source::OnText done) { source_->CertificatesJson(std::move(done)); });
}

void AdminServer::Metrics(const HttpRequest& request, AdminConnection& connection) {
  const Exposition::Format format = Exposition::Wanted(request.accept);
  Ask(connection, Exposition::ContentType(format),
      [this, format](Source::OnText done) { source_->Metrics(format, std::move(done)); });
}

void AdminServer::Version(const HttpRequest& /*request*/, AdminConnection& connection) {
  connection.Answer({200, kText, absl::StrCat("tlsbridge ", kVersion, "\n")});
}

void AdminServer::Ask(AdminConnection& connection, absl::string_view type,
                      absl::FunctionRef<void(Source::OnText)> what) {
  const HttpAnswer refusal = {503, kText, "others are being answered\n"};
  if (awaited_ >= kMaxAwaited || QueuedBytes() > kMaxQueuedBytes) return connection.Answer(refusal);
  ++awaited_;
  // Whoever asked may have gone when the answer is there.
  what([this, refusal, type, id = connection.id()](std::string text) {
    --awaited_;
    const auto it = std::find_if(connections_.begin(), connections_.end(),
                                 [id](const auto& owned) { return owned->id() == id; });
    if (it == connections_.end()) return;
    if (QueuedBytes() > kMaxQueuedBytes) return (*it)->Answer(refusal);
    (*it)->Answer({200, type, std::move(text)});
  });
}

}  // namespace tlsbridge
