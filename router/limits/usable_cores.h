// How many cores this process may use: the machine's, or fewer if affinity or a control group's CPU
// quota says so.
//
// Thread: main's, at start. Failure: none; what cannot be read does not limit.
#pragma once

namespace tlsbridge {

int UsableCores();

}  // namespace tlsbridge
