#include "router/kernel/known_flows.h"

#include <map>
#include <utility>

#include "absl/status/status.h"

namespace tlsbridge::kernel {
namespace {

// Routes: how many, and of each the length of its name and the name. Then each flow: its number and
// that of its route, counted from 1; 0 if it is recorded. Most significant bytes first.
constexpr size_t kFlowBytes = 8;

void Put(uint64_t value, size_t bytes, std::vector<uint8_t>* out) {
  for (size_t i = bytes; i-- > 0;) out->push_back(static_cast<uint8_t>(value >> 8 * i));
}

uint32_t TakeNumber(absl::Span<const uint8_t>* bytes, size_t size) {
  uint32_t value = 0;
  for (const uint8_t byte : bytes->first(size)) value = value << 8 | byte;
  bytes->remove_prefix(size);
  return value;
}

absl::Status Malformed() {
  return absl::InvalidArgumentError("malformed hand-over: the kernel flows");
}

}  // namespace

std::vector<uint8_t> EncodeFlows(const std::vector<KnownFlow>& flows) {
  std::map<std::string, uint32_t> numbers;
  for (const KnownFlow& flow : flows) {
    if (flow.route) numbers.try_emplace(*flow.route, 0);
  }
  std::vector<uint8_t> bytes;
  Put(numbers.size(), 4, &bytes);
  uint32_t last = 0;
  for (auto& [name, number] : numbers) {
    number = ++last;
    Put(name.size(), 2, &bytes);
    bytes.insert(bytes.end(), name.begin(), name.end());
  }
  bytes.reserve(bytes.size() + flows.size() * kFlowBytes);
  for (const KnownFlow& flow : flows) {
    Put(flow.id, 4, &bytes);
    Put(flow.route ? numbers.at(*flow.route) : 0, 4, &bytes);
  }
  return bytes;
}

absl::StatusOr<std::vector<KnownFlow>> DecodeFlows(absl::Span<const uint8_t> bytes) {
  if (bytes.size() < 4) return Malformed();
  std::vector<std::string> routes;
  for (uint32_t left = TakeNumber(&bytes, 4); left > 0; --left) {
    if (bytes.size() < 2) return Malformed();
    const size_t length = TakeNumber(&bytes, 2);
    if (bytes.size() < length) return Malformed();
    routes.emplace_back(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(length));
    bytes.remove_prefix(length);
  }
  if (bytes.size() % kFlowBytes != 0) return Malformed();
  std::vector<KnownFlow> flows;
  flows.reserve(bytes.size() / kFlowBytes);
  while (!bytes.empty()) {
    KnownFlow& flow = flows.emplace_back();
    flow.id = TakeNumber(&bytes, 4);
    const uint32_t route = TakeNumber(&bytes, 4);
    if (route > routes.size()) return Malformed();
    if (route > 0) flow.route = routes[route - 1];
  }
  return flows;
}

}  // namespace tlsbridge::kernel
