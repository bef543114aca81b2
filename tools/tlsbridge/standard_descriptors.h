// Standard input, output and error exist, whoever started the program.
//
// Thread: main's, before anything is opened: a socket that became descriptor 2 would be sent the
// log. Failure: none; without /dev/null what is closed stays so.
#pragma once

namespace tlsbridge {

// Opens those that are closed on /dev/null.
void OpenStandardDescriptors();

}  // namespace tlsbridge
