// Who goes on next of those that wait, each for one route: routes take turns, and of a route the
// first to come is the first to go on. So a storm on one route keeps no other waiting for longer
// than its own queue.
//
// Thread: the worker's. Owner: its HandshakeQueue; it owns nobody who waits. Failure: none.
#pragma once

#include <stddef.h>

#include <list>

#include "absl/container/flat_hash_map.h"

namespace tlsbridge {

class Turns {
 private:
  struct Line;

 public:
  // Where one waits. It must have been removed, or have had its turn, before it dies.
  class Waiter {
   public:
    Waiter() = default;
    Waiter(const Waiter&) = delete;
    Waiter& operator=(const Waiter&) = delete;

   protected:
    ~Waiter() = default;

   private:
    friend class Turns;
    Turns* turns_ = nullptr;  // not owned; null while it does not wait
    std::list<Line>::iterator line_;
    Waiter* before_ = nullptr;  // Not owned; in its line, null at the ends.
    Waiter* behind_ = nullptr;
  };

  Turns() = default;
  Turns(const Turns&) = delete;
  Turns& operator=(const Turns&) = delete;

  // Behind all others of `route`, which may be anything that tells routes apart.
  // REQUIRES: `waiter` does not wait yet.
  void Add(Waiter* waiter, const void* route);
  // Nothing if it does not wait.
  static void Remove(Waiter* waiter);
  // Whose turn it is; it no longer waits. REQUIRES: !empty().
  Waiter* Next();

  bool empty() const { return lines_.empty(); }
  size_t size() const { return size_; }

 private:
  // Of one route; never empty.
  struct Line {
    const void* route = nullptr;
    Waiter* first = nullptr;  // Not owned.
    Waiter* last = nullptr;
  };

  void Take(Waiter* waiter);

  std::list<Line> lines_;  // in the order of their turns
  std::list<Line> spare_;  // most clients are alone in theirs, which is to cost no memory each time
  absl::flat_hash_map<const void*, std::list<Line>::iterator> by_route_;
  size_t size_ = 0;
};

}  // namespace tlsbridge
