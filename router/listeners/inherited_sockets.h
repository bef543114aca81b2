// Listening sockets that the process was given at its start, until somebody wants them: by systemd,
// or by the process whose place it takes. What they are for is one table, so that whoever gave them
// needs no way of its own into the listeners.
//
// A socket of the predecessor's is for the address that that was told, in the order in which it had
// them. One of systemd's is for the listener whose name it has and whose address it is bound to, or
// else for whichever is told just that address; the admin server's name is "admin".
//
// Thread: main's, before there are others. Owner: the router, while it starts; closes what nobody
// took. Failure: a Status that names the descriptor, what it is, and what to do.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "router/config/config.h"
#include "router/listeners/listener.h"

namespace tlsbridge {

class InheritedSockets {
 public:
  enum class Use : uint8_t { kListener, kAdmin };

  InheritedSockets() = default;
  ~InheritedSockets();
  InheritedSockets(const InheritedSockets&) = delete;
  InheritedSockets& operator=(const InheritedSockets&) = delete;

  // Take over `fd`, which is closed if it cannot be used.
  // One that a process before has stored there (stored_name.h) is as a predecessor's; it is left
  // away if its path has gone, since nobody can reach it any more.
  absl::Status AddFromSystemd(int fd, const std::string& name);
  absl::Status AddFromPredecessor(int fd, Use use, const SocketAddress& wanted,
                                  bool inherits_path = false, bool of_unit = false);

  // Decides what each of systemd's is for. One that is for nothing is a mistake.
  absl::Status Assign(const Config& config);

  // That for `wanted`; null if there is none. Its path, if it has one, is not its own: see
  // ListeningSocket::TakePath().
  std::unique_ptr<ListeningSocket> Take(Use use, const SocketAddress& wanted);
  // Names of what a process before has stored, if it has (stored_name.h).
  const std::vector<std::string>& stored() const { return stored_; }
  // Which have been taken, in the order in which they were added.
  std::vector<bool> taken() const;
  // Closes the others.
  void CloseRest();

 private:
  struct Entry {
    int fd;  // -1: taken, or closed
    bool assigned;
    Use use;
    SocketAddress wanted;
    std::string name;  // of systemd's
    bool inherits_path = false;
    bool of_unit = false;
    bool taken = false;
  };

  // The first of systemd's that is not assigned yet.
  Entry* Find(const SocketAddress& wanted, absl::string_view name);

  std::vector<Entry> entries_;
  std::vector<std::string> stored_;
};

}  // namespace tlsbridge
