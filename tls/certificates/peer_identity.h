// Who a certificate says its holder is.
//
// A name with a control character in it is left out: no rule may match it and no log show it. Of
// more than kMaxNames subject alternative names, those after the first kMaxNames are not looked at;
// the same of organizational units.
//
// Thread: any; a value. Failure: none; what a certificate does not say is empty.
#pragma once

#include <openssl/base.h>
#include <stddef.h>

#include <string>
#include <vector>

namespace tlsbridge::tls {

struct PeerIdentity {
  static constexpr size_t kMaxNames = 100;

  std::string common_name;
  std::vector<std::string> organizational_units;
  std::vector<std::string> dns_names;     // lower case
  std::vector<std::string> ip_addresses;  // as inet_ntop(3) writes them
  std::vector<std::string> uris;
  size_t uri_count = 0;     // of all that the certificate has, also of those that are left out
  std::string spki_sha256;  // base64 of the SHA-256 of the public key (RFC 7469 section 2.4)

  // One name to log where no rule has matched one: the first URI, else DNS name, else IP address,
  // else the common name.
  std::string Display() const;
};

PeerIdentity IdentityOf(const X509* certificate);

}  // namespace tlsbridge::tls
