// Why bytes are no PROXY header: a closed list, which is the log field and the metric label.
//
// Thread: any. Failure: none.
#pragma once

#include <stdint.h>

#include "absl/strings/string_view.h"

namespace tlsbridge::proxy_protocol {

enum class Malformed : uint8_t {
  kNone,
  kNoSignature,  // begins neither with "PROXY " nor with the signature of version 2
  kUnexpected,   // one that may be right, from a peer of whom none is taken
  // Version 1, section 2.1:
  kLineTooLong,  // no CRLF within 107 bytes
  kLineEnd,      // a line feed without its carriage return
  kFields,       // not the words, or not the single spaces, that the line must have
  kAddress,      // no address of the family that the line names
  kPort,         // no decimal number from 0 to 65535 without leading zeros
  // Version 2, section 2.2:
  kVersion,
  kCommand,
  kTransport,        // neither unspecified nor a byte stream; datagrams are refused, too
  kHeaderTooLong,    // longer than kMaxHeaderBytes
  kAddressesCut,     // shorter than the addresses of its family
  kTlvCut,           // the lengths of its TLVs do not add up
  kTlvLength,        // a checksum that is not 4 bytes
  kTlvTwice,         // two of a kind that says one thing
  kUniqueIdTooLong,  // longer than 128 bytes, section 2.2.5
  kSslCut,           // no room for its fixed part, or its sub-TLVs do not add up, section 2.2.6
  kChecksum,         // differs from what was computed, section 2.2.3
  // Both:
  kFamily,
};

// "no_signature", ...
absl::string_view MalformedName(Malformed reason);

}  // namespace tlsbridge::proxy_protocol
