// What people give in place of PEM, or in it: what it is, and how to turn it into what is needed.
//
// Thread: any. Failure: empty text for what is not known.
#pragma once

#include <openssl/base.h>

#include <string>

#include "absl/strings/string_view.h"

namespace tlsbridge::tls {

// Of a file without a PEM block: "is a certificate in DER; openssl x509 ... makes PEM of it".
std::string ForeignFile(absl::string_view bytes, absl::string_view name);

// Of a PEM block with this label.
std::string ForeignBlock(absl::string_view label, absl::string_view name);

// Of a private key (a PKCS #8 structure, RFC 5958) that BoringSSL does not know or that TLS has no
// use for: "an RSA-PSS key", "an EC key on the curve secp256k1".
std::string ForeignKey(absl::string_view pkcs8);
// The same of an RFC 5915 structure.
std::string ForeignEcKey(absl::string_view der);

}  // namespace tlsbridge::tls
