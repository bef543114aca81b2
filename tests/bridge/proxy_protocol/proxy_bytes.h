// PROXY headers as bytes, for tests.
//
// Thread: the test's. Failure: gtest's.
#pragma once

#include <stdint.h>

#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "bridge/proxy_protocol/decoder.h"
#include "gtest/gtest.h"

namespace tlsbridge::proxy_protocol::testing {

inline const std::string kSignature("\r\n\r\n\0\r\nQUIT\n", 12);

inline absl::Span<const uint8_t> Bytes(absl::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

inline SocketAddress At(const std::string& text) {
  auto address = SocketAddress::Parse(text);
  EXPECT_TRUE(address.ok()) << address.status();
  return address.ok() ? *address : SocketAddress();
}

inline std::string BigEndian16(size_t value) {
  return {static_cast<char>(value >> 8), static_cast<char>(value)};
}

inline std::string MakeTlv(uint8_t type, const std::string& value) {
  return static_cast<char>(type) + BigEndian16(value.size()) + value;
}

// A header of version 2 whose length is right.
inline std::string MakeBinary(uint8_t command, uint8_t family, const std::string& block) {
  return kSignature + static_cast<char>(command) + static_cast<char>(family) +
         BigEndian16(block.size()) + block;
}

// 192.0.2.1:4660 to 198.51.100.2:443.
inline const std::string kInetBlock("\xc0\x00\x02\x01\xc6\x33\x64\x02\x12\x34\x01\xbb", 12);

inline Decoder::Result DecodeAtOnce(absl::string_view bytes, Header* header = nullptr) {
  Decoder decoder;
  const Decoder::Result result = decoder.Feed(Bytes(bytes));
  if (header != nullptr && result.progress == Decoder::Progress::kWhole) *header = decoder.header();
  return result;
}

inline absl::string_view ReasonFor(absl::string_view bytes) {
  const Decoder::Result result = DecodeAtOnce(bytes);
  EXPECT_EQ(result.progress, Decoder::Progress::kMalformed);
  return MalformedName(result.reason);
}

// `bytes` is a header and nothing else: its every beginning wants more, wherever it is split it
// says the same, and what follows it is not touched.
inline Header DecodeEveryWay(const std::string& bytes) {
  Header header;
  const Decoder::Result whole = DecodeAtOnce(bytes + "GET / HTTP/1.1\r\n", &header);
  EXPECT_EQ(whole.progress, Decoder::Progress::kWhole) << MalformedName(whole.reason);
  EXPECT_EQ(whole.consumed_bytes, bytes.size());

  Decoder bytewise;
  for (size_t at = 0; at < bytes.size(); ++at) {
    const Decoder::Result result = bytewise.Feed(Bytes(bytes).subspan(at, 1));
    EXPECT_EQ(result.consumed_bytes, 1u) << at;
    EXPECT_EQ(result.progress,
              at + 1 == bytes.size() ? Decoder::Progress::kWhole : Decoder::Progress::kNeedMore)
        << at;
  }
  EXPECT_EQ(bytewise.header(), header);

  for (size_t cut = 0; cut < bytes.size(); ++cut) {
    Decoder decoder;
    EXPECT_EQ(decoder.Feed(Bytes(bytes).first(cut)).progress, Decoder::Progress::kNeedMore) << cut;
    const Decoder::Result rest = decoder.Feed(Bytes(bytes).subspan(cut));
    EXPECT_EQ(rest.progress, Decoder::Progress::kWhole) << cut;
    EXPECT_EQ(rest.consumed_bytes, bytes.size() - cut);
    EXPECT_EQ(decoder.header(), header) << cut;
  }
  return header;
}

}  // namespace tlsbridge::proxy_protocol::testing
