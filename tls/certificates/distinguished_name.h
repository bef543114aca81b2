// Names of subjects and issuers, for messages.
//
// Thread: any. Failure: none; a name that cannot be read is empty.
#pragma once

#include <openssl/base.h>

#include <string>

namespace tlsbridge::tls {

// "CN=Some CA,O=Somebody" (RFC 2253), with what is not printable escaped.
std::string DistinguishedName(const X509_NAME* name);

// Whether both are the same, as RFC 5280 section 7.1 compares them.
bool SameName(const X509_NAME* a, const X509_NAME* b);

}  // namespace tlsbridge::tls
