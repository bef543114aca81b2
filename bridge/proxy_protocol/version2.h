// The binary header of version 2 (section 2.2). For the decoder and the encoder.
//
// Thread: any. Failure: a reason.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "absl/strings/string_view.h"
#include "bridge/proxy_protocol/header.h"
#include "bridge/proxy_protocol/malformed.h"

namespace tlsbridge::proxy_protocol {

constexpr absl::string_view kSignature("\r\n\r\n\0\r\nQUIT\n", 12);

constexpr uint8_t kVersion = 0x20;  // the high half of byte 13; its low half is the command
constexpr uint8_t kLocalCommand = 0x00;
constexpr uint8_t kProxyCommand = 0x01;

// The high half of byte 14.
constexpr uint8_t kUnspecified = 0x00;
constexpr uint8_t kInet = 0x10;
constexpr uint8_t kInet6 = 0x20;
constexpr uint8_t kUnix = 0x30;
// Its low half.
constexpr uint8_t kUnspecifiedTransport = 0x00;
constexpr uint8_t kByteStream = 0x01;

constexpr size_t kFixedBytes = 16;  // signature, command, family, length
constexpr size_t kUnixPathBytes = 108;
constexpr size_t kTlvStartBytes = 3;  // type and length
constexpr size_t kChecksumBytes = 4;
constexpr size_t kSslFixedBytes = 5;  // client and verify

// Judges the first kFixedBytes, or as many of them as have come.
Malformed CheckStart(absl::string_view held);

// How long the header is. REQUIRES: CheckStart() liked all of the first kFixedBytes.
size_t HeaderBytes(absl::string_view held);

// `bytes` is the whole header, and CheckStart() liked it.
Malformed DecodeBinary(absl::string_view bytes, Header* header);

}  // namespace tlsbridge::proxy_protocol
