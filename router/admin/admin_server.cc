#include "router/admin/admin_server.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "router/admin/page/page.h"
#include "router/config/version.h"

namespace tlsbridge {
namespace {

constexpr absl::string_view kText = "text/plain";
constexpr absl::string_view kJson = "application/json";

HttpAnswer BadRequest(const absl::Status& status) {
  return {400, kText, absl::StrCat(std::string(status.message()), "\n")};
}

}  // namespace

AdminServer::AdminServer(EventLoop* loop, const ListeningSocket* socket, Serves serves,
                         Source* source)
    : loop_(loop),
      serves_(serves),
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
  if (connections_.empty() && on_idle_) std::exchange(on_idle_, nullptr)();
}

void AdminServer::AwaitIdle(absl::AnyInvocable<void()> on_idle) {
  if (connections_.empty()) return on_idle();
  on_idle_ = std::move(on_idle);
}

size_t AdminServer::QueuedBytes() const {
  size_t bytes = 0;
  for (const auto& connection : connections_) bytes += connection->queued_bytes();
  return bytes;
}

void AdminServer::OnRequest(const HttpRequest& request, AdminConnection& connection) {
  // Whoever may open a UNIX socket needs no browser.
  if (serves_ == Serves::kAll && !request.IsForAnAddress() && !connection.is_unix()) {
    return connection.Answer(Refusal(HttpRequest::Outcome::kMisdirected));
  }
  const auto* const resource =
      std::find_if(kResources.begin(), kResources.end(),
                   [&](const Resource& known) { return request.path == known.path && Has(known); });
  if (resource == kResources.end()) {
    return connection.Answer({404, kText, absl::StrCat("not found; there is:\n", List())});
  }
  const bool changes = resource->method == Method::kPost;
  if (request.post != changes) {
    return connection.Answer(
        {405, kText, changes ? "use POST\n" : "use GET\n", changes ? "POST" : "GET, HEAD"});
  }
  if (changes && (request.from_page || !connection.is_local())) {
    return connection.Answer(
        {403, kText, "only commands on this machine may do this, not pages in a browser\n"});
  }
  if (changes && !request.command) {
    return connection.Answer(
        {403, kText,
         absl::StrCat(
             "send the header ", kCommandField,
             ": 1, which pages cannot; or use the program's commands: tlsbridge --help\n")});
  }
  (this->*resource->answer)(request, connection);
}

std::string AdminServer::List() const {
  std::string list;
  for (const Resource& resource : kResources) {
    if (!Has(resource)) continue;
    absl::StrAppend(&list, resource.method == Method::kPost ? "POST " : "GET  ", resource.path,
                    std::string(14 - std::min<size_t>(resource.path.size(), 13), ' '),
                    resource.about, "\n");
  }
  if (serves_ == Serves::kMetrics) {
    absl::StrAppend(&list, "everything else is on the admin address, if one is configured\n");
  }
  return list;
}

void AdminServer::Page(const HttpRequest& request, AdminConnection& connection) {
  const absl::string_view page = request.gzip ? PagePacked() : PageText();
  HttpAnswer answer = Lasting("text/html; charset=utf-8", std::string(page));
  if (request.gzip) answer.encoding = "gzip";
  answer.policy = PagePolicy();
  connection.Answer(Unless(request, std::move(answer)));
}

void AdminServer::Help(const HttpRequest& request, AdminConnection& connection) {
  connection.Answer(Unless(request, Lasting(kText, List())));
}

void AdminServer::Version(const HttpRequest& request, AdminConnection& connection) {
  connection.Answer(Unless(request, Lasting(kText, absl::StrCat("tlsbridge ", kVersion, "\n"))));
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

void AdminServer::Status(const HttpRequest& /*request*/, AdminConnection& connection) {
  Ask(connection, kJson, [this](Source::OnText done) { source_->StatusJson(std::move(done)); });
}

void AdminServer::Connections(const HttpRequest& request, AdminConnection& connection) {
  const auto page = ConnectionPage::Parse(request.query);
  if (!page.ok()) return connection.Answer(BadRequest(page.status()));
  Ask(connection, kJson,
      [this, &page](Source::OnText done) { source_->ConnectionsJson(*page, std::move(done)); });
}

void AdminServer::Ended(const HttpRequest& request, AdminConnection& connection) {
  const auto query = ParseEndedQuery(request.query);
  if (!query.ok()) return connection.Answer(BadRequest(query.status()));
  Ask(connection, kJson,
      [this, &query](Source::OnText done) { source_->EndedJson(*query, std::move(done)); });
}

void AdminServer::Failures(const HttpRequest& request, AdminConnection& connection) {
  const auto query = ParseFailureQuery(request.query);
  if (!query.ok()) return connection.Answer(BadRequest(query.status()));
  Ask(connection, kJson,
      [this, &query](Source::OnText done) { source_->FailuresJson(*query, std::move(done)); });
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

void AdminServer::Drain(const HttpRequest& /*request*/, AdminConnection& connection) {
  connection.Answer({200, kText, source_->Drain() ? "draining\n" : "already draining\n"});
}

// It has its own time, within which it has an outcome: longer than an answer may take to be had.
void AdminServer::Upgrade(const HttpRequest& /*request*/, AdminConnection& connection) {
  connection.ThinkAsLongAsItTakes();
  source_->Upgrade([this, id = connection.id()](bool ok, const std::string& text) {
    const auto it = std::find_if(connections_.begin(), connections_.end(),
                                 [id](const auto& owned) { return owned->id() == id; });
    if (it != connections_.end()) (*it)->Answer({ok ? 200 : 409, kText, text + "\n"});
  });
}

void AdminServer::SetLevel(const HttpRequest& request, AdminConnection& connection) {
  const auto level = ParseLevelQuery(request.query);
  if (!level.ok()) return connection.Answer(BadRequest(level.status()));
  if (!source_->SetLevel(*level)) {
    return connection.Answer(
        {409, kText, "the log has been off since the start; restart with another log level\n"});
  }
  connection.Answer(
      {200, kText, absl::StrCat("log level ", LogLevelName(*level), " until a restart\n")});
}

void AdminServer::Ask(AdminConnection& connection, absl::string_view type,
                      absl::FunctionRef<void(Source::OnText)> what) {
  const HttpAnswer refusal = {503, kText, "too many concurrent requests, retry\n"};
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
