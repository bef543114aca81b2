// What is known of a connection that has ended, as a value: its line in the log says it, and it is
// kept for who asks later (recent_ends.h).
//
// Thread: any; a value. Failure: none.
#pragma once

#include <stdint.h>

#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "bridge/bridge.h"
#include "bridge/socket_address.h"
#include "router/connections/connection.h"
#include "router/connections/connection_record.h"
#include "router/log/log.h"

namespace tlsbridge {

struct EndedConnection {
  // One that had a bridge.
  static EndedConnection Of(const Connection& connection);
  // One that was refused before that, or that the kernel forwarded: what its record has.
  static EndedConnection Of(const ConnectionRecord& record);

  // All of it, in the order of the fields of "connection_end".
  void AppendTo(LogLine* line) const;

  absl::Time at = absl::InfinitePast();  // by the wall; for who keeps it
  uint64_t id = 0;
  SocketAddress peer;
  std::string proxied_by;  // empty for none, as all texts here
  SocketAddress listener;
  std::string route;
  std::string backend;
  End end;
  std::string detail;  // beside that of `end`
  bool by_kernel = false;
  std::optional<absl::Duration> duration;
  std::optional<uint64_t> bytes_received;  // of the kernel's: packets with their headers
  std::optional<uint64_t> bytes_sent;
  uint64_t bytes_dropped = 0;
  std::optional<std::string> server_name;
  std::optional<std::string> alpn_offered;  // and versions
  std::string versions_offered;

  // Names of versions, ciphers and groups are the program's own.
  struct Tls {
    bool done = false;  // the handshake; the rest is not known without
    const char* version = "";
    const char* cipher = "";
    const char* group = "";
    bool resumed = false;
    std::string alpn;
  };
  Tls tls;
  std::string client;
  std::string allowed_by;
  std::string refused_client;
  std::string would_refuse;
  Tls backend_tls;
  std::optional<absl::Duration> handshake;
  std::optional<absl::Duration> connect;
  std::optional<absl::Duration> first_byte;
};

}  // namespace tlsbridge
