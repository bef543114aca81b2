#include "router/credentials.h"

#include <utility>

#include "absl/status/status.h"
#include "tls/client_verifier.h"
#include "tls/key_pair.h"
#include "tls/pem_file.h"

namespace tlsbridge {
namespace {

absl::StatusOr<tls::ClientPolicy> LoadClientPolicy(const ClientAuth& settings) {
  tls::ClientPolicy policy;
  if (settings.mode == ClientCertificateMode::kOff) return policy;
  policy.mode = settings.mode == ClientCertificateMode::kOptional
                    ? tls::ClientCertificates::kOptional
                    : tls::ClientCertificates::kRequired;
  policy.allow = settings.allow;
  policy.ca_name = settings.ca;
  auto pem = tls::ReadPemFile(settings.ca);
  if (!pem.ok()) return pem.status();
  policy.ca_pem = *std::move(pem);
  return policy;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const tls::ServerContext>> LoadServerTls(const ServerTls& settings,
                                                                        absl::Time now) {
  if (settings.certificates.empty()) return absl::InvalidArgumentError("no certificate is given");
  const CertificateFiles& files = settings.certificates.front();
  auto pair = tls::LoadKeyPair(files.cert, files.key, now);
  if (!pair.ok()) return pair.status();
  auto clients = LoadClientPolicy(settings.client);
  if (!clients.ok()) return clients.status();
  auto context = tls::ServerContext::Create(*pair, *clients);
  if (!context.ok()) return context.status();
  return std::shared_ptr<const tls::ServerContext>(*std::move(context));
}

}  // namespace tlsbridge
