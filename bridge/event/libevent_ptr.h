// Owning pointers for libevent's objects.
//
// Thread: that of the event base. Owner: the pointer. Failure: none.
#pragma once

#include <memory>

struct bufferevent;
struct event;
struct event_base;

namespace tlsbridge {

struct LibeventDeleter {
  void operator()(event_base* base) const;
  void operator()(event* event) const;
  void operator()(bufferevent* bufferevent) const;  // leaves the descriptor open
};

using EventBasePtr = std::unique_ptr<event_base, LibeventDeleter>;
using EventPtr = std::unique_ptr<event, LibeventDeleter>;
using BuffereventPtr = std::unique_ptr<bufferevent, LibeventDeleter>;

// "2.1.12-stable": of the library that is linked.
const char* LibeventVersion();

}  // namespace tlsbridge
