#include "tools/tlsbridge/reason_words.h"

namespace tlsbridge {
namespace {

struct Words {
  absl::string_view reason;
  absl::string_view words;
};

constexpr Words kWords[] = {
    {"none", "it has not ended"},
    {"closed_incoming", "the client ended first, in order"},
    {"closed_outgoing", "the backend ended first, in order"},
    {"normal", "this side said goodbye first, and properly"},
    {"socket_end", "ended because the client had ended"},
    {"proxy_end", "ended because the backend had ended"},
    {"truncated",
     "the client's TCP stream ended without close_notify, so that what it sent may be cut short"},
    {"econnreset", "a peer reset the connection"},
    {"etimedout", "the kernel gave a peer up that no longer answers"},
    {"econnrefused", "nobody listens at the backend's address"},
    {"ehostunreach", "no way leads to the backend's machine"},
    {"enetunreach", "no way leads to the backend's network"},
    {"socket_error", "an error on the client's socket; errno says which"},
    {"proxy_error", "an error on the backend's socket; errno says which"},
    {"error", "a failure of the program's own"},
    {"tls_handshake_failed", "the TLS handshake with the client failed; detail says why"},
    {"tls_error", "the client's TLS session broke after its handshake; detail says how"},
    {"backend_truncated", "the backend's TCP stream ended without close_notify"},
    {"backend_tls_failed",
     "the TLS handshake with the backend failed, or it is not who it should be; detail says why"},
    {"backend_tls_error", "the backend's TLS session broke after its handshake"},
    {"proxy_header", "a PROXY header was due and what came was none, or one came uninvited"},
    {"handshake_timeout", "the client's handshake took too long"},
    {"connect_timeout", "no backend took the connection in time"},
    {"initial_timeout", "the client sent nothing after its handshake"},
    {"inactivity", "nothing went either way for too long"},
    {"half_close_timeout", "one side had ended its stream and the other fell silent"},
    {"max_lifetime", "it was too old"},
    {"shutdown", "the program was told to stop"},
    {"admin", "an operator ended it"},
    {"route_removed", "a reload took its route away, and its time to end was over"},
    {"global_limit", "there are as many connections as the program may have"},
    {"ip_limit", "the client's address has as many connections as it may"},
    {"route_limit", "the route has as many connections as it may"},
    {"rate_limit", "the client's address began too many connections in a minute"},
    {"handshake_limit", "too many handshakes were waiting for the program"},
    {"ip_handshake_limit", "the client's address has too many unfinished handshakes"},
    {"fd_limit", "the program is out of file descriptors"},
    {"local_error", "this machine is out of ports, memory or the like; errno says of what"},
    {"denied", "a rule refuses this client"},
    {"no_route", "no route is for what the client asked for"},
    {"route_down", "the route's certificates could not be used since the start"},
    {"no_backend", "the route has no backend to dial"},
    {"nftables_handled", "the kernel should have taken this client and did not"},
};

}  // namespace

absl::string_view ReasonInWords(absl::string_view reason) {
  for (const Words& words : kWords) {
    if (words.reason == reason) return words.words;
  }
  return "not a reason that this version knows";
}

}  // namespace tlsbridge
