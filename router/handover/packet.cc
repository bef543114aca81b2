#include "router/handover/packet.h"

#include <string.h>

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "router/handover/wire.h"

namespace tlsbridge {
namespace {

using wire::Put;
using wire::Reader;

constexpr uint8_t kMagic[] = {'T', 'L', 'S', 'H'};
constexpr size_t kHeadBytes = sizeof(kMagic) + 2 + 1;

absl::Status Malformed(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("the hand-over is malformed: ", what));
}

// One line, whatever it says.
std::string Line(absl::Span<const uint8_t> bytes) {
  std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  std::replace_if(text.begin(), text.end(), absl::ascii_iscntrl, ' ');
  return text;
}

}  // namespace

SecretBytes EncodePacket(const Packet& packet) {
  SecretBytes out;
  out.Append(kMagic);
  Put(&out, kHandoverVersion, 2);
  Put(&out, static_cast<uint8_t>(packet.kind), 1);
  switch (packet.kind) {
    case Packet::Kind::kBegin:
      Put(&out, packet.state_bytes, 4);
      Put(&out, packet.descriptors, 4);
      break;
    case Packet::Kind::kBytes:
      out.Append(packet.bytes);
      break;
    case Packet::Kind::kRefused: {
      const absl::string_view reason = absl::string_view(packet.reason).substr(0, kMostReason);
      out.Append({reinterpret_cast<const uint8_t*>(reason.data()), reason.size()});
      break;
    }
    case Packet::Kind::kReady:
      for (const bool taken : packet.taken) Put(&out, taken ? 1 : 0, 1);
      break;
    case Packet::Kind::kGo:
    case Packet::Kind::kServing:
      break;
  }
  return out;
}

absl::StatusOr<Packet> ParsePacket(absl::Span<const uint8_t> datagram) {
  if (datagram.size() < kHeadBytes || memcmp(datagram.data(), kMagic, sizeof(kMagic)) != 0) {
    return Malformed("it is not a hand-over of tlsbridge");
  }
  const uint64_t version = Reader(datagram.subspan(sizeof(kMagic))).Number(2);
  Packet packet;
  packet.kind = static_cast<Packet::Kind>(datagram[kHeadBytes - 1]);
  const absl::Span<const uint8_t> body = datagram.subspan(kHeadBytes);
  if (packet.kind == Packet::Kind::kRefused) {
    if (body.size() > kMostReason) return Malformed("a reason is too long");
    packet.reason = Line(body);
    return packet;
  }
  if (version != kHandoverVersion) {
    return absl::UnimplementedError(absl::StrCat(
        "the other process uses version ", version, " of the hand-over, this one version ",
        kHandoverVersion, "; stop the running one and start the other instead"));
  }
  switch (packet.kind) {
    case Packet::Kind::kBegin:
      if (body.size() != 8) return Malformed("its beginning");
      packet.state_bytes = static_cast<uint32_t>(Reader(body).Number(4));
      packet.descriptors = static_cast<uint32_t>(Reader(body.subspan(4)).Number(4));
      if (packet.state_bytes > kMostStateBytes || packet.descriptors > kMostStateDescriptors) {
        return Malformed("it is too large");
      }
      return packet;
    case Packet::Kind::kBytes:
      if (body.size() > kMostBytes) return Malformed("a piece is too long");
      packet.bytes = body;
      return packet;
    case Packet::Kind::kReady:
      if (body.size() > kMostStateDescriptors) return Malformed("too many sockets");
      for (const uint8_t taken : body) {
        if (taken > 1) return Malformed("which sockets are taken");
        packet.taken.push_back(taken == 1);
      }
      return packet;
    case Packet::Kind::kGo:
    case Packet::Kind::kServing:
      if (!body.empty()) return Malformed("a message is too long");
      return packet;
    case Packet::Kind::kRefused:
      break;
  }
  return Malformed(absl::StrCat("unknown message ", static_cast<int>(packet.kind)));
}

}  // namespace tlsbridge
