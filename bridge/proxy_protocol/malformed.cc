#include "bridge/proxy_protocol/malformed.h"

namespace tlsbridge::proxy_protocol {

absl::string_view MalformedName(Malformed reason) {
  switch (reason) {
    case Malformed::kNone:
      return "none";
    case Malformed::kNoSignature:
      return "no_signature";
    case Malformed::kUnexpected:
      return "unexpected";
    case Malformed::kLineTooLong:
      return "line_too_long";
    case Malformed::kLineEnd:
      return "line_end";
    case Malformed::kFields:
      return "fields";
    case Malformed::kAddress:
      return "address";
    case Malformed::kPort:
      return "port";
    case Malformed::kVersion:
      return "version";
    case Malformed::kCommand:
      return "command";
    case Malformed::kTransport:
      return "transport";
    case Malformed::kHeaderTooLong:
      return "header_too_long";
    case Malformed::kAddressesCut:
      return "addresses_cut";
    case Malformed::kTlvCut:
      return "tlv_cut";
    case Malformed::kTlvLength:
      return "tlv_length";
    case Malformed::kTlvTwice:
      return "tlv_twice";
    case Malformed::kUniqueIdTooLong:
      return "unique_id_too_long";
    case Malformed::kSslCut:
      return "ssl_cut";
    case Malformed::kChecksum:
      return "checksum";
    case Malformed::kFamily:
      return "family";
  }
  return "none";
}

}  // namespace tlsbridge::proxy_protocol
