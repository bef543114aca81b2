// What the configuration says of TLS, as tls/ wants it; the files are route_files.h's.
//
// Thread: any; pure. Failure: none.
#pragma once

#include <string>
#include <vector>

#include "router/config/config.h"
#include "tls/backend_context.h"
#include "tls/server_context.h"
#include "tls/tickets/ticket_secrets.h"

namespace tlsbridge {

tls::TicketOptions TicketOptionsOf(const Tickets& settings);

// All but certificates, clients and ALPN.
tls::ServerOptions ServerOptionsOf(const ServerTls& settings);

// All but the CAs and the certificate.
tls::BackendOptions BackendOptionsOf(const BackendTls& settings);

// What is agreed on with a client is what a backend is offered: where that is TLS, of what the
// route speaks with clients only what it also allows to backends.
std::vector<std::string> AlpnOf(const Route& route);

}  // namespace tlsbridge
