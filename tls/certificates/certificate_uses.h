// What makes peers refuse a chain that we can show all the same: told when it is read, and not by
// each handshake.
//
// Thread: any. Failure: none.
#pragma once

#include <stddef.h>

#include "tls/certificates/key_pair.h"

namespace tlsbridge::tls {

// All certificates of a chain together; more is taken from no backend either. Others take 64 KiB
// (Go) or 100 KiB (OpenSSL).
inline constexpr size_t kMaxChainBytes = 32 * 1024;

// More is taken from no client, since whoever has connected can send it: no longer a message than
// those that BoringSSL reads from any client.
inline constexpr size_t kMaxClientChainBytes = 16 * 1024;

enum class CertificateUse { kServer, kClient };

// Adds to `pair->warnings` what is wrong with it for `use`: an extended key usage without it, a key
// usage without signatures, weak keys and digests, more bytes than peers take.
void WarnOfUse(CertificateUse use, KeyPair* pair);

// Whether clients are to refuse it without an OCSP response (RFC 7633).
bool MustStaple(const X509* leaf);

}  // namespace tlsbridge::tls
