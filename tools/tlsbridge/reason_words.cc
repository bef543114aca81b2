#include "tools/tlsbridge/reason_words.h"

namespace tlsbridge {
namespace {

struct Words {
  absl::string_view reason;
  absl::string_view words;
};

constexpr Words kWords[] = {
    {"none", "it has not ended"},
    {"closed_incoming", "the client closed first, normally"},
    {"closed_outgoing", "the backend closed first, normally"},
    {"normal", "tlsbridge closed the connection first, normally"},
    {"socket_end", "ended because the client had ended"},
    {"proxy_end", "ended because the backend had ended"},
    {"truncated",
     "the client's TCP stream ended without close_notify, so its data may be cut short"},
    {"econnreset", "a peer reset the connection"},
    {"etimedout", "a peer stopped answering (TCP timeout)"},
    {"econnrefused", "nothing listens at the backend's address"},
    {"ehostunreach", "the backend's host is unreachable"},
    {"enetunreach", "the backend's network is unreachable"},
    {"socket_error", "an error on the client's socket; errno says which"},
    {"proxy_error", "an error on the backend's socket; errno says which"},
    {"error", "an internal error of tlsbridge"},
    {"tls_handshake_failed", "the TLS handshake with the client failed; detail says why"},
    {"tls_error", "the client's TLS session broke after its handshake; detail says how"},
    {"backend_truncated", "the backend's TCP stream ended without close_notify"},
    {"backend_tls_failed",
     "the TLS handshake with the backend failed, or its certificate was not accepted; detail says "
     "why"},
    {"backend_tls_error", "the backend's TLS session broke after its handshake"},
    {"proxy_header",
     "a PROXY header was expected and missing or malformed, or one came unexpectedly"},
    {"handshake_timeout", "the client's handshake took too long"},
    {"connect_timeout", "no backend accepted the connection in time"},
    {"initial_timeout", "the client sent nothing after its handshake"},
    {"inactivity", "no byte was sent either way for too long"},
    {"half_close_timeout", "one side had ended its stream and the other stopped sending"},
    {"max_lifetime", "it reached its maximum lifetime"},
    {"shutdown", "tlsbridge was stopped"},
    {"admin", "an operator ended it"},
    {"route_removed", "a reload removed its route, and the drain timeout passed"},
    {"global_limit", "the connection limit of the whole program was reached"},
    {"ip_limit", "the connection limit of the client's address was reached"},
    {"route_limit", "the connection limit of the route was reached"},
    {"rate_limit", "the client's address opened too many connections in a minute"},
    {"handshake_limit", "too many handshakes were queued"},
    {"ip_handshake_limit", "the client's address has too many unfinished handshakes"},
    {"fd_limit", "the program is out of file descriptors"},
    {"local_error", "this machine is out of ports, memory or another resource; errno says which"},
    {"denied", "a rule denies this client (deny_ip, allow_ip or action: block)"},
    {"no_route", "no route matches what the client asked for"},
    {"route_down", "the route's certificates could not be used since the start"},
    {"no_backend", "the route has no usable backend"},
    {"nftables_handled", "the kernel should have forwarded this client and did not"},
};

}  // namespace

absl::string_view ReasonInWords(absl::string_view reason) {
  for (const Words& words : kWords) {
    if (words.reason == reason) return words.words;
  }
  return "a reason unknown to this version";
}

}  // namespace tlsbridge
