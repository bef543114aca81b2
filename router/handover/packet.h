// What the two processes of a hand-over say to each other, as bytes: one datagram each.
//
//   old: begin   how many bytes and descriptors the state has     new: refused  why; it ends
//        bytes   some of it, with at most 253 descriptors              ready    it could serve, and
//        begin,  the same of what is known only when nobody                     takes these sockets
//        bytes   accepts here any more, if that is anything
//        go      nobody does                                           serving  it does
//
// Every datagram begins with "TLSH" and the version. Of another version only `refused` is read, so
// that the reason is heard whichever of them is the newer.
//
// Thread: any; pure functions. Failure: ParsePacket() returns a Status.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "router/handover/secret_bytes.h"

namespace tlsbridge {

inline constexpr uint16_t kHandoverVersion = 1;
inline constexpr size_t kMostBytes = 32 * 1024;  // in a datagram
// In all.
inline constexpr size_t kMostStateBytes = 64 * 1024 * 1024;
inline constexpr size_t kMostStateDescriptors = 65536;
inline constexpr size_t kMostReason = 1024;

struct Packet {
  enum class Kind : uint8_t {
    kBegin = 1,
    kBytes = 2,
    kGo = 3,
    kRefused = 4,
    kReady = 5,
    kServing = 6,
  };
  Kind kind = {};
  uint32_t state_bytes = 0;  // kBegin
  uint32_t descriptors = 0;  // kBegin
  // kBytes; points into what was parsed.
  absl::Span<const uint8_t> bytes = {};
  std::string reason = {};       // kRefused
  std::vector<bool> taken = {};  // kReady: of the sockets, in their order
};

SecretBytes EncodePacket(const Packet& packet);
// One that is too long, too short or unknown is refused.
absl::StatusOr<Packet> ParsePacket(absl::Span<const uint8_t> datagram);

}  // namespace tlsbridge
