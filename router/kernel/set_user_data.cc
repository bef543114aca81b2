#include "router/kernel/set_user_data.h"

#include <stdint.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace tlsbridge::kernel {
namespace {

// Type and length of a byte each, then the value.
std::string Entry(uint8_t type, absl::string_view value) {
  std::string entry;
  entry.push_back(static_cast<char>(type));
  entry.push_back(static_cast<char>(value.size()));
  absl::StrAppend(&entry, value);
  return entry;
}

std::string Entry(uint8_t type, uint32_t value) {
  return Entry(type, absl::string_view(reinterpret_cast<const char*>(&value), sizeof(value)));
}

// Number of nft's kind of expression, and what it says of itself.
std::string Expression(uint32_t kind, absl::string_view body) {
  return absl::StrCat(Entry(0, kind), Entry(1, body));
}

// A field of a header as nft numbers both.
std::string PayloadField(uint32_t header, uint32_t field) {
  constexpr uint32_t kPayload = 7;
  return Expression(kPayload, absl::StrCat(Entry(0, header), Entry(1, field)));
}

}  // namespace

std::string SetUserData(const Set& set) {
  if (set.key.fields != std::vector<Field>{Field::kSourceSlot}) return "";
  constexpr uint8_t kKeyByteOrder = 0;
  constexpr uint8_t kDataByteOrder = 1;
  constexpr uint8_t kKeyTypeof = 3;
  constexpr uint8_t kDataTypeof = 4;
  constexpr uint8_t kDataInterval = 6;
  constexpr uint32_t kNumgen = 23;
  constexpr uint32_t kConcat = 13;
  constexpr uint32_t kIp = 12;
  constexpr uint32_t kIp6 = 13;
  constexpr uint32_t kTcp = 8;
  constexpr uint32_t kIpDestination = 12;
  constexpr uint32_t kIp6Destination = 9;
  constexpr uint32_t kTcpDestination = 2;
  const bool v4 = set.key.family == Family::kV4;
  const std::string turn = Expression(
      kNumgen, absl::StrCat(Entry(0, uint32_t{0}), Entry(1, kSlots), Entry(2, uint32_t{0})));
  const std::string address = PayloadField(v4 ? kIp : kIp6, v4 ? kIpDestination : kIp6Destination);
  const std::string port = PayloadField(kTcp, kTcpDestination);
  const std::string endpoint = Expression(kConcat, absl::StrCat(Entry(0, address), Entry(1, port)));
  return absl::StrCat(Entry(kKeyByteOrder, uint32_t{1}), Entry(kDataByteOrder, uint32_t{0}),
                      Entry(kKeyTypeof, turn), Entry(kDataTypeof, endpoint),
                      Entry(kDataInterval, uint32_t{0}));
}

}  // namespace tlsbridge::kernel
