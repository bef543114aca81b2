#include "router/admin/admin_server.h"

#include <event2/buffer.h>
#include <event2/http.h>
#include <unistd.h>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace tlsbridge {
namespace {

// Nobody who asks these questions needs more.
constexpr ev_ssize_t kMaxHeaderBytes = 8 * 1024;
constexpr ev_ssize_t kMaxBodyBytes = 0;
constexpr int kTimeoutSeconds = 5;

void Reply(evhttp_request* request, int code, const char* reason, absl::string_view type,
           absl::string_view text) {
  evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type",
                    std::string(type).c_str());
  evbuffer* body = evbuffer_new();
  evbuffer_add(body, text.data(), text.size());
  evhttp_send_reply(request, code, reason, body);
  evbuffer_free(body);
}

}  // namespace

absl::StatusOr<std::unique_ptr<AdminServer>> AdminServer::Create(EventLoop* loop,
                                                                 const ListeningSocket* socket,
                                                                 Source* source) {
  std::unique_ptr<AdminServer> server(new AdminServer(source));
  server->http_ = evhttp_new(loop->base());
  // libevent closes what it is given.
  const int fd = dup(socket->fd());
  if (server->http_ == nullptr || fd < 0 || evhttp_accept_socket(server->http_, fd) != 0) {
    if (fd >= 0) close(fd);
    return absl::ResourceExhaustedError("cannot start the admin server");
  }
  evhttp_set_allowed_methods(server->http_, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD);
  evhttp_set_max_headers_size(server->http_, kMaxHeaderBytes);
  evhttp_set_max_body_size(server->http_, kMaxBodyBytes);
  evhttp_set_timeout(server->http_, kTimeoutSeconds);
  evhttp_set_gencb(server->http_, &OnRequest, server.get());
  return server;
}

AdminServer::~AdminServer() {
  if (http_ != nullptr) evhttp_free(http_);
}

void AdminServer::OnRequest(evhttp_request* request, void* self) {
  static_cast<AdminServer*>(self)->Answer(request);
}

void AdminServer::Answer(evhttp_request* request) {
  const evhttp_uri* uri = evhttp_request_get_evhttp_uri(request);
  const char* path_text = uri == nullptr ? nullptr : evhttp_uri_get_path(uri);
  const absl::string_view path = path_text == nullptr ? "" : path_text;
  constexpr absl::string_view kPlain = "text/plain";
  if (path == "/live") return Reply(request, HTTP_OK, "OK", kPlain, "live\n");
  if (path == "/ready") {
    if (source_->ready()) return Reply(request, HTTP_OK, "OK", kPlain, "ready\n");
    return Reply(request, HTTP_SERVUNAVAIL, "Service Unavailable", kPlain, "draining\n");
  }
  if (path == "/connections") {
    const std::string json = source_->ConnectionsJson();
    if (!json.empty()) return Reply(request, HTTP_OK, "OK", "application/json", json);
    return Reply(request, HTTP_SERVUNAVAIL, "Service Unavailable", kPlain, "no answer in time\n");
  }
  Reply(request, HTTP_NOTFOUND, "Not Found", kPlain, "use /live, /ready or /connections\n");
}

}  // namespace tlsbridge
