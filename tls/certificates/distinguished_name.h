// Names of subjects and issuers, for messages.
//
// Thread: any. Failure: none; a name that cannot be read is empty.
#pragma once

#include <openssl/base.h>

#include <string>

namespace tlsbridge::tls {

// "CN=Some CA,O=Somebody" (RFC 2253), with what is not printable escaped.
std::string DistinguishedName(const X509_NAME* name);

}  // namespace tlsbridge::tls
