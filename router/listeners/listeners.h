// All listening sockets, and who accepts from them.
//
// One thread accepts and gives each client to the worker that has the fewest, so that few
// long-lived connections spread evenly, and a listener that is taken away loses nobody who had
// queued. With one worker that thread is the worker's own, which saves a hand-over.
//
// Thread: main's before StartFirst(); then the control loop's, which posts to the accepting one.
// Owner: the router. The loop and the workers outlive it, and have stopped before it dies.
// Failure: Open() returns a Status and changes nothing; so does StartFirst() if the program cannot
// hear its clients.
//
// A listener that is wanted again before it has been closed stays open.
#pragma once

#include <memory>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/types/span.h"
#include "bridge/event/event_loop.h"
#include "router/config/config.h"
#include "router/listeners/inherited_sockets.h"
#include "router/listeners/listener.h"
#include "router/worker.h"
#include "tls/mutex.h"

namespace tlsbridge {

class Listeners {
 public:
  Listeners(EventLoop* accept_loop, std::vector<Worker*> workers);
  ~Listeners();
  Listeners(const Listeners&) = delete;
  Listeners& operator=(const Listeners&) = delete;

  // Opens those of `wanted` that are not open yet, or takes them from what is `inherited`. All of
  // them, or none.
  absl::Status Open(absl::Span<const Listener> wanted, InheritedSockets* inherited = nullptr);
  // Accepts from all that are open, as soon as the loop runs, which it does not yet.
  absl::Status StartFirst();
  // The same of those that were opened since. Where the system lets nobody watch one of them, that
  // is logged and tried again.
  void Start();
  // Closes those that are not in `wanted`, once all who have queued there are taken in.
  // `on_closed` runs on the accepting thread.
  void CloseOthers(absl::Span<const Listener> wanted, absl::AnyInvocable<void()> on_closed);

  // ---- Handing over to another process. Those that are open stay so until HandOver() or Resume().

  struct Offered {
    SocketAddress wanted;  // as configured
    SocketAddress bound;   // with the port that the kernel gave
    int fd;
    bool owns_path;
    bool of_unit;  // of a service manager's socket unit
  };
  std::vector<Offered> Offer();  // those that are open, also where nothing is handed over
  // Accepts from nobody; `on_paused` runs on the accepting thread once that is so.
  void Pause(absl::AnyInvocable<void()> on_paused);
  // The same as before.
  void Resume();
  // Closes all. Of those offered that are not `taken` whoever has queued is taken in before, and a
  // path goes. `on_closed` runs on the accepting thread.
  void HandOver(const std::vector<bool>& taken, absl::AnyInvocable<void()> on_closed);
  // Paths of sockets that were taken over are ours from now on.
  void TakePaths();

  // Those that are open, in the order in which they were opened.
  std::vector<SocketAddress> addresses() const;

 private:
  struct Entry {
    SocketAddress wanted;  // with port 0, if so configured
    std::unique_ptr<ListeningSocket> socket;
    std::unique_ptr<Acceptor> acceptor;  // the accepting thread's
    bool open = true;  // as wanted; the socket follows when the accepting thread gets to it
    bool closed = false;
  };

  void StartAccepting(Entry* entry);
  std::unique_ptr<Acceptor> MakeAcceptor(Entry* entry);
  std::vector<Entry*> OpenOnes();
  void Dispatch(int fd, const SocketAddress& peer, const SocketAddress* listener);

  EventLoop* const accept_loop_;  // Not owned.
  const std::vector<Worker*> workers_;
  Mutex mutex_;  // guards `open` and `closed` of all entries
  // Closed ones stay: records name their addresses.
  std::vector<std::unique_ptr<Entry>> entries_;
};

}  // namespace tlsbridge
