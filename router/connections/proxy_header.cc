#include "router/connections/proxy_header.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "bridge/proxy_protocol/encoder.h"
#include "bridge/proxy_protocol/header.h"

namespace tlsbridge {
namespace {

std::string String(absl::string_view text) { return std::string(text.data(), text.size()); }

proxy_protocol::SslInfo SslOf(const tls::ClientSession& session, const tls::Credential& credential,
                              const tls::ClientSession::Client* client) {
  proxy_protocol::SslInfo ssl;
  ssl.client = proxy_protocol::kClientSsl;
  ssl.version = session.version();
  ssl.cipher = session.cipher();
  const tls::Algorithms algorithms = tls::AlgorithmsOf(credential);
  ssl.signature_algorithm = algorithms.signature;
  ssl.key_algorithm = algorithms.key;
  if (client == nullptr) return ssl;
  ssl.client |= proxy_protocol::kClientCertSession;
  if (!session.resumed()) ssl.client |= proxy_protocol::kClientCertConn;
  // One that an observe-only policy would have refused was not verified.
  if (session.would_refuse().detail == tls::FailureDetail::kNone) ssl.verify = 0;
  ssl.common_name = client->common_name;
  return ssl;
}

}  // namespace

std::string ProxyHeaderFor(const ConnectionRecord& record, const tls::Credential* credential,
                           const Bridge& bridge) {
  const ProxyProtocol version = record.route->send_proxy;
  if (version == ProxyProtocol::kNone) return {};
  const SocketAddress destination = record.proxied != nullptr
                                        ? record.proxied->destination
                                        : SocketAddress::LocalOf(bridge.incoming().fd());
  if (version == ProxyProtocol::kV1) return proxy_protocol::EncodeLine(record.peer, destination);

  proxy_protocol::Header header;
  header.source = record.peer;
  header.destination = destination;
  header.authority = record.server_name;
  header.unique_id = absl::StrCat(record.id);
  if (const tls::ClientSession* session = bridge.client_tls();
      session != nullptr && credential != nullptr) {
    header.alpn = String(session->alpn());
    const tls::ClientSession::Client* const client = session->client();
    header.ssl = SslOf(*session, *credential, client);
    if (client != nullptr && header.ssl->verify == 0) {
      if (!client->uri.empty()) header.others.push_back({proxy_protocol::kClientUri, client->uri});
      header.others.push_back({proxy_protocol::kMatchedRule, client->allowed_by});
    }
  }
  return proxy_protocol::EncodeBinary(header).bytes;
}

}  // namespace tlsbridge
