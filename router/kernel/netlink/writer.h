// Writes netfilter netlink messages one after the other: headers, attributes, nested attributes,
// each padded to four bytes. Numbers are big endian, as all of nfnetlink wants them.
//
// Thread: one; a value. Failure: an attribute longer than its 16 bits of length can say marks the
// whole as overflowed(); it must not be sent then.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace tlsbridge::netlink {

class Writer {
 public:
  // What a list of attributes may grow to before another message has to go on with it: the longest
  // attribute is 64 KiB.
  static constexpr size_t kFullAttributeBytes = 48 * 1024;

  // Begins a message, which ends where the next one begins; NLM_F_REQUEST is added. Returns its
  // sequence number: 1 for the first. `resource` is struct nfgenmsg's res_id.
  uint32_t Begin(uint16_t type, uint16_t flags, uint8_t family, uint16_t resource = 0);

  void AddBytes(uint16_t type, absl::Span<const uint8_t> bytes);
  void AddString(uint16_t type, absl::string_view text);  // with a zero at its end
  void AddU8(uint16_t type, uint8_t value);
  void AddU16(uint16_t type, uint16_t value);
  void AddU32(uint16_t type, uint32_t value);
  void AddU64(uint16_t type, uint64_t value);

  // An attribute of attributes: those that `fill` adds.
  template <typename Fill>
  void Nest(uint16_t type, Fill fill) {
    const size_t start = OpenNest(type);
    fill();
    CloseNest(start);
  }
  // The same where a function is in the way; the size that it has so far is size_bytes() - start.
  size_t OpenNest(uint16_t type);
  void CloseNest(size_t start);

  // More flags for the message that was begun last.
  void AddFlags(uint16_t flags);

  size_t size_bytes() const { return bytes_.size(); }
  uint32_t last_sequence() const { return sequence_; }
  bool overflowed() const { return overflowed_; }

  // All messages. Valid until the next call.
  absl::Span<const uint8_t> Finish();

 private:
  void EndMessage();
  // An attribute whose value is still zero; where that is.
  uint8_t* AddRoom(uint16_t type, size_t value_bytes);
  void PutLength(size_t attribute, size_t length);

  std::vector<uint8_t> bytes_;
  size_t message_ = 0;  // where the last one begins, if there is one
  uint32_t sequence_ = 0;
  bool overflowed_ = false;
};

}  // namespace tlsbridge::netlink
