// Acknowledging what has come without waiting for an answer to carry the acknowledgement.
//
// A client that does not set TCP_NODELAY sends its first request only when the last flight of its
// handshake is acknowledged (Nagle's algorithm, RFC 9293, section 3.7.4). We owe it no answer to
// that flight, so that the kernel would wait 40 ms for one.
//
// Thread: any. Failure: ignored; the acknowledgement then comes by itself, later. Sockets that are
// not TCP have no such delay.
#pragma once

namespace tlsbridge {

void AcknowledgeNow(int fd);

}  // namespace tlsbridge
