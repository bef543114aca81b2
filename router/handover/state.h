// What one process hands over to the next, as values and as bytes.
//
// The bytes are sections: a tag of 16 bits, a length of 32, and that many bytes; numbers have their
// most significant byte first. A section that a reader does not know is passed over if its tag has
// the bit kMayBeSkipped, and otherwise refuses the whole: so a newer process can take over from an
// older one and, as long as nothing that matters is unknown, an older one from a newer one.
// Descriptors travel beside the bytes: those of the sockets in their order, then those of the
// generations that have one, then the kernel table's and that of news.
//
// Thread: any; values. Failure: DecodeState() returns a Status that says what is wrong; nothing is
// believed of a state that is not right to its last byte.
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "bridge/socket_address.h"
#include "router/handover/secret_bytes.h"
#include "router/limits/admission.h"
#include "router/listeners/inherited_sockets.h"
#include "tls/tickets/ticket_secrets.h"

namespace tlsbridge {

struct HandoverState {
  struct Socket {
    InheritedSockets::Use use = {};
    bool owns_path = false;  // a UNIX path goes with it
    bool of_unit = false;    // it is a socket unit's of the service manager
    SocketAddress wanted;    // as configured
  };
  // A process that has handed over and may still have connections.
  struct Generation {
    uint64_t number = 0;
    pid_t pid = 0;
    bool has_fd = false;  // of the process (pidfd_open(2)): by it the next one sees its end
  };
  // Session tickets of a route with keys of the process's own.
  struct Tickets {
    std::string route;
    tls::TicketSecrets::Random random;
  };
  // Who came lately, to be counted against rates. Of the whole program: route is empty.
  struct Rates {
    std::string route;
    std::vector<Admission::Rate> clients;
  };

  // The table by which the kernel forwards. It belongs to one socket, and news of flows comes by
  // another; both go along.
  struct Kernel {
    std::string table;
    bool keep = false;  // it stays when its owner ends
  };

  uint64_t generation = 1;  // of who takes over
  std::vector<Generation> draining;
  std::vector<Socket> sockets;
  std::vector<Tickets> tickets;
  std::vector<Rates> rates;
  std::optional<Kernel> kernel;

  // How many travel beside it.
  size_t descriptors() const;
};

inline constexpr uint16_t kMayBeSkipped = 0x8000;

SecretBytes EncodeState(const HandoverState& state);
absl::StatusOr<HandoverState> DecodeState(absl::Span<const uint8_t> bytes);

}  // namespace tlsbridge
