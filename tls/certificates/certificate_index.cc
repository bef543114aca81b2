#include "tls/certificates/certificate_index.h"

#include <openssl/nid.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "tls/certificates/peer_identity.h"

namespace tlsbridge::tls {

std::vector<std::string> ServerNamesOf(const X509* leaf) {
  PeerIdentity identity = IdentityOf(leaf);
  std::vector<std::string> names = std::move(identity.dns_names);
  if (X509_get_ext_by_NID(leaf, NID_subject_alt_name, -1) < 0) names = {identity.common_name};
  for (std::string& name : names) {
    absl::AsciiStrToLower(&name);
    if (!name.empty() && name.back() == '.') name.pop_back();
  }
  names.erase(std::remove(names.begin(), names.end(), ""), names.end());
  return names;
}

void CertificateIndex::Add(uint32_t id, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    std::vector<uint32_t>& ids = by_name_[name];
    if (ids.empty() || ids.back() != id) ids.push_back(id);
  }
}

absl::Span<const uint32_t> CertificateIndex::Find(const std::string& server_name) const {
  const absl::Span<const uint32_t> exact = FindExactly(server_name);
  const size_t dot = server_name.find('.');
  // A client that asks for "*.internal" itself asks for no host.
  if (server_name[0] == '*') return {};
  if (!exact.empty() || dot == 0 || dot == std::string::npos) return exact;
  return FindExactly("*" + server_name.substr(dot));
}

absl::Span<const uint32_t> CertificateIndex::FindExactly(const std::string& name) const {
  const auto found = by_name_.find(name);
  if (found == by_name_.end()) return {};
  return found->second;
}

}  // namespace tlsbridge::tls
