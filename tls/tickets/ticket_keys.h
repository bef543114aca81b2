// Encrypts and decrypts the session tickets of one server context (TLS 1.2 and 1.3) with keys
// derived from shared secrets and from a binding: a ticket of one binding is resumed by no other.
//
// AES-256-CBC, then HMAC-SHA256, by BoringSSL's ticket callback. Its other interface, an AEAD,
// cannot ask for a new ticket where a session of TLS 1.2 was resumed by an old key.
//
// Thread: Install() on the thread that makes the context; then any; a lock for the time of a
// copy. Owner: the SSL_CTX. Failure: none that a peer can cause; a ticket that does not decrypt
// is a full handshake.
#pragma once

#include <openssl/base.h>

#include <memory>

#include "absl/strings/string_view.h"
#include "tls/tickets/ticket_secrets.h"

namespace tlsbridge::tls {

// From now on `ctx` issues and accepts tickets as `secrets` say, or none if they are off. `binding`
// says what a ticket is good for: the route, and a digest of who may be its client. A context made
// anew with the same secrets and binding goes on accepting the tickets of the one before. REQUIRES:
// once a context.
void InstallTicketKeys(std::shared_ptr<TicketSecrets> secrets, absl::string_view binding,
                       SSL_CTX* ctx);

}  // namespace tlsbridge::tls
