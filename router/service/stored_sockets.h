// The listening sockets as the service manager stores them (FDSTORE=1): after a crash it gives them
// back, and clients who have queued meanwhile are served.
//
// Thread: the control loop's. Owner: the router. The manager outlives it. Failure: none; what the
// manager does not store is bound anew.
#pragma once

#include <map>
#include <string>

#include "router/host/service_manager.h"

namespace tlsbridge {

class StoredSockets {
 public:
  explicit StoredSockets(ServiceManager* manager) : manager_(manager) {}
  StoredSockets(const StoredSockets&) = delete;
  StoredSockets& operator=(const StoredSockets&) = delete;

  // That it has this one, from a process before.
  void Remember(const std::string& name) { stored_.insert({name, -1}); }
  // It is to have just these, by their names.
  void Store(const std::map<std::string, int>& sockets);

 private:
  ServiceManager* const manager_;      // Not owned.
  std::map<std::string, int> stored_;  // -1: by another process, be it what it may
};

}  // namespace tlsbridge
