// What a PROXY header says, whichever version carried it, and the numbers of version 2. Sections
// are those of HAProxy's proxy-protocol.txt.
//
// Thread: any; a value. Failure: none. Strings are the sender's bytes: escape them before logging.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <optional>
#include <string>
#include <vector>

#include "bridge/socket_address.h"

namespace tlsbridge::proxy_protocol {

// Section 2.1: the worst line, CRLF included.
constexpr size_t kMaxLineBytes = 107;

// Of version 2, its first 16 bytes included. The length field allows for 64 KiB; the specification
// means headers to fit in a segment (section 2), and 4 KiB hold the longest SPIFFE ID (2048 bytes,
// SPIFFE-ID section 2.3) beside all else. A longer header is refused, and none is sent.
constexpr size_t kMaxHeaderBytes = 4096;

// Section 2.2.5.
constexpr size_t kMaxUniqueIdBytes = 128;

// Section 2.2, and 2.2.8 for the last two.
enum TlvType : uint8_t {
  kAlpn = 0x01,
  kAuthority = 0x02,
  kCrc32c = 0x03,
  kNoop = 0x04,
  kUniqueId = 0x05,
  kSsl = 0x20,
  kSslVersion = 0x21,  // from here to kSslKeyAlgorithm inside kSsl only
  kSslCommonName = 0x22,
  kSslCipher = 0x23,
  kSslSignatureAlgorithm = 0x24,
  kSslKeyAlgorithm = 0x25,
  kNetworkNamespace = 0x30,
  // Ours, in the range for applications. Sent only for a client whose certificate was verified.
  kClientUri = 0xe0,    // the URI SAN of the client's certificate, such as its SPIFFE ID, as it is
  kMatchedRule = 0xe1,  // the text of the rule that let it in, such as "uri:spiffe://prod/**"
};

// Section 2.2.6.
enum SslClient : uint8_t {
  kClientSsl = 0x01,          // the client speaks TLS
  kClientCertConn = 0x02,     // it showed a certificate on this connection
  kClientCertSession = 0x04,  // it showed one at least once in this TLS session
};

struct SslInfo {
  uint8_t client = 0;   // of SslClient
  uint32_t verify = 1;  // 0: it showed a certificate, which was verified
  std::string version;  // an empty string is one that is absent, here and below
  std::string common_name;
  std::string cipher;
  std::string signature_algorithm;
  std::string key_algorithm;

  bool operator==(const SslInfo&) const = default;
};

struct Tlv {
  uint8_t type = 0;
  std::string value;

  bool operator==(const Tlv&) const = default;
};

struct Header {
  // LOCAL: sent by the proxy itself, such as a health check. Nothing else is set.
  bool local = false;
  // Both set, and of one family; or both unset, for LOCAL, UNKNOWN and AF_UNSPEC: then the
  // connection's own addresses hold.
  SocketAddress source;
  SocketAddress destination;
  // Version 2 only.
  std::string alpn;
  std::string authority;  // SNI
  std::string unique_id;
  std::optional<SslInfo> ssl;
  // All others, in their order: kNetworkNamespace, kClientUri, kMatchedRule, and what this program
  // does not know. Other applications may mean something else by the numbers that are ours.
  std::vector<Tlv> others;

  bool operator==(const Header&) const = default;
};

}  // namespace tlsbridge::proxy_protocol
