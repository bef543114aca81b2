#include "bridge/event/libevent_ptr.h"

#include <event2/bufferevent.h>
#include <event2/event.h>

namespace tlsbridge {

void LibeventDeleter::operator()(event_base* base) const { event_base_free(base); }
void LibeventDeleter::operator()(event* event) const { event_free(event); }
void LibeventDeleter::operator()(bufferevent* bufferevent) const { bufferevent_free(bufferevent); }

const char* LibeventVersion() { return event_get_version(); }

}  // namespace tlsbridge
