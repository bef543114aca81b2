#include "tls/certificates/peer_identity.h"

#include <arpa/inet.h>
#include <openssl/mem.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"

namespace tlsbridge::tls {
namespace {

// Such a name could be cut short where it is compared, or change a line of the log.
bool HasControl(absl::string_view name) {
  return std::any_of(name.begin(), name.end(), [](char c) { return absl::ascii_iscntrl(c); });
}

void AddName(std::string name, std::vector<std::string>* names) {
  if (!HasControl(name)) names->push_back(std::move(name));
}

std::string ToUtf8(const ASN1_STRING* value) {
  uint8_t* utf8 = nullptr;
  const int length = ASN1_STRING_to_UTF8(&utf8, value);
  if (length < 0) return {};
  bssl::UniquePtr<uint8_t> owned(utf8);
  return std::string(reinterpret_cast<const char*>(utf8), static_cast<size_t>(length));
}

std::vector<std::string> SubjectEntries(const X509* certificate, int nid) {
  std::vector<std::string> values;
  const X509_NAME* subject = X509_get_subject_name(certificate);
  int at = -1;
  while (values.size() < PeerIdentity::kMaxNames &&
         (at = X509_NAME_get_index_by_NID(subject, nid, at)) >= 0) {
    std::string value = ToUtf8(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
    // Kept empty: the entry before it must not take its place.
    values.push_back(HasControl(value) ? std::string() : std::move(value));
  }
  return values;
}

std::string IpText(const ASN1_OCTET_STRING* ip) {
  char text[INET6_ADDRSTRLEN];
  const int length = ASN1_STRING_length(ip);
  if (length != 4 && length != 16) return {};
  inet_ntop(length == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(ip), text, sizeof(text));
  return text;
}

std::string Raw(const ASN1_STRING* value) {
  return std::string(reinterpret_cast<const char*>(ASN1_STRING_get0_data(value)),
                     static_cast<size_t>(ASN1_STRING_length(value)));
}

void AddAlternativeNames(const X509* certificate, PeerIdentity* identity) {
  bssl::UniquePtr<GENERAL_NAMES> names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  if (names == nullptr) return;
  for (size_t i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    if (sk_GENERAL_NAME_value(names.get(), i)->type == GEN_URI) ++identity->uri_count;
  }
  const size_t count = std::min(sk_GENERAL_NAME_num(names.get()), PeerIdentity::kMaxNames);
  for (size_t i = 0; i < count; ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    switch (name->type) {
      case GEN_DNS:
        AddName(absl::AsciiStrToLower(Raw(name->d.dNSName)), &identity->dns_names);
        break;
      case GEN_URI:
        AddName(Raw(name->d.uniformResourceIdentifier), &identity->uris);
        break;
      case GEN_IPADD:
        if (std::string ip = IpText(name->d.iPAddress); !ip.empty()) {
          identity->ip_addresses.push_back(std::move(ip));
        }
        break;
      default:
        break;
    }
  }
}

std::string SpkiPin(const X509* certificate) {
  uint8_t* der = nullptr;
  const int length = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
  if (length <= 0) return {};
  bssl::UniquePtr<uint8_t> owned(der);
  uint8_t digest[SHA256_DIGEST_LENGTH];
  SHA256(der, static_cast<size_t>(length), digest);
  return absl::Base64Escape({reinterpret_cast<const char*>(digest), sizeof(digest)});
}

}  // namespace

std::string PeerIdentity::Display() const {
  if (!uris.empty()) return uris.front();
  if (!dns_names.empty()) return dns_names.front();
  if (!ip_addresses.empty()) return ip_addresses.front();
  return common_name;
}

PeerIdentity IdentityOf(const X509* certificate) {
  PeerIdentity identity;
  std::vector<std::string> common_names = SubjectEntries(certificate, NID_commonName);
  // The last is the most specific (RFC 5280 section 4.1.2.4 writes names from the root down).
  if (!common_names.empty()) identity.common_name = common_names.back();
  identity.organizational_units = SubjectEntries(certificate, NID_organizationalUnitName);
  AddAlternativeNames(certificate, &identity);
  identity.spki_sha256 = SpkiPin(certificate);
  return identity;
}

}  // namespace tlsbridge::tls
