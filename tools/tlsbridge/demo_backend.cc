#include "tools/tlsbridge/demo_backend.h"

#include <event2/buffer.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "bridge/event/clock.h"
#include "bridge/event/event_loop.h"
#include "bridge/event/thread.h"

namespace tlsbridge {
namespace {

// The demo is no place to send more.
constexpr ev_ssize_t kMaxBodyBytes = 64 * 1024 * 1024;

const char* MethodName(evhttp_request* request) {
  switch (evhttp_request_get_command(request)) {
    case EVHTTP_REQ_GET:
      return "GET";
    case EVHTTP_REQ_POST:
      return "POST";
    case EVHTTP_REQ_HEAD:
      return "HEAD";
    case EVHTTP_REQ_PUT:
      return "PUT";
    case EVHTTP_REQ_DELETE:
      return "DELETE";
    default:
      return "(another method)";
  }
}

void Answer(evhttp_request* request, void*) {
  std::string text =
      "Hello from the backend. It speaks plain HTTP; this request came to it through tlsbridge:\n"
      "\n";
  absl::StrAppend(&text, MethodName(request), " ", evhttp_request_get_uri(request), "\n");
  const evkeyvalq* headers = evhttp_request_get_input_headers(request);
  for (const evkeyval* header = headers->tqh_first; header != nullptr;
       header = header->next.tqe_next) {
    absl::StrAppend(&text, header->key, ": ", header->value, "\n");
  }
  const size_t body_bytes = evbuffer_get_length(evhttp_request_get_input_buffer(request));
  absl::StrAppend(&text, "(", body_bytes, " bytes of body)\n");
  evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type", "text/plain");
  evbuffer* body = evbuffer_new();
  evbuffer_add(body, text.data(), text.size());
  evhttp_send_reply(request, HTTP_OK, "OK", body);
  evbuffer_free(body);
}

}  // namespace

struct DemoBackend::Server {
  ~Server() {
    if (thread.joinable()) {
      loop->Stop();
      thread.Join();
    }
    if (http != nullptr) evhttp_free(http);
  }

  SystemClock clock;
  std::unique_ptr<EventLoop> loop;
  evhttp* http = nullptr;
  SocketAddress address;
  Thread thread;
};

absl::StatusOr<std::unique_ptr<DemoBackend>> DemoBackend::Start() {
  auto server = std::make_unique<Server>();
  auto loop = EventLoop::Create(&server->clock);
  if (!loop.ok()) return loop.status();
  server->loop = *std::move(loop);
  server->http = evhttp_new(server->loop->base());
  if (server->http == nullptr) return absl::ResourceExhaustedError("cannot create a backend");
  evhttp_set_max_body_size(server->http, kMaxBodyBytes);
  evhttp_set_gencb(server->http, &Answer, nullptr);
  evhttp_bound_socket* bound = evhttp_bind_socket_with_handle(server->http, "127.0.0.1", 0);
  if (bound == nullptr) return absl::UnavailableError("cannot start a backend on 127.0.0.1");
  server->address = SocketAddress::LocalOf(evhttp_bound_socket_get_fd(bound));
  auto thread = Thread::Start("the demo's backend", [s = server.get()] { s->loop->Run(); });
  if (!thread.ok()) return thread.status();
  server->thread = *std::move(thread);
  return std::unique_ptr<DemoBackend>(new DemoBackend(std::move(server)));
}

DemoBackend::DemoBackend(std::unique_ptr<Server> server) : server_(std::move(server)) {}
DemoBackend::~DemoBackend() = default;

const SocketAddress& DemoBackend::address() const { return server_->address; }

}  // namespace tlsbridge
