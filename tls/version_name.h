// What a protocol version is called, as BoringSSL's SSL_get_version() has it.
//
// Thread: any. Failure: none.
#pragma once

#include <stdint.h>

#include <string>

#include "absl/strings/str_format.h"

namespace tlsbridge::tls {

inline std::string VersionName(uint16_t version) {
  switch (version) {
    case 0x0300:
      return "SSLv3";
    case 0x0301:
      return "TLSv1";
    case 0x0302:
      return "TLSv1.1";
    case 0x0303:
      return "TLSv1.2";
    case 0x0304:
      return "TLSv1.3";
    default:
      return absl::StrFormat("0x%04x", version);
  }
}

}  // namespace tlsbridge::tls
