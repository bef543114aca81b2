#include "router/metrics/route_metrics.h"

#include <algorithm>
#include <memory>

namespace tlsbridge {
namespace {

// The place of `name` in a list whose last entry is for all others.
template <size_t Size>
size_t IndexOf(const std::array<absl::string_view, Size>& labels, absl::string_view name) {
  const auto end = labels.end() - 1;
  return static_cast<size_t>(std::find(labels.begin(), end, name) - labels.begin());
}

template <size_t Size>
void AddEach(const std::array<Counter, Size>& from, std::array<uint64_t, Size>* to) {
  for (size_t i = 0; i < Size; ++i) (*to)[i] += from[i].value();
}

template <size_t Size>
void AddEach(const std::array<uint64_t, Size>& from, std::array<uint64_t, Size>* to) {
  for (size_t i = 0; i < Size; ++i) (*to)[i] += from[i];
}

}  // namespace

void RouteTotals::Add(const RouteTotals& other) {
  opened += other.opened;
  AddEach(other.ended, &ended);
  AddEach(other.failed, &failed);
  for (size_t i = 0; i < handshakes.size(); ++i) AddEach(other.handshakes[i], &handshakes[i]);
  AddEach(other.groups, &groups);
  AddEach(other.ip_bytes, &ip_bytes);
  AddEach(other.bytes, &bytes);
  handshake.Add(other.handshake);
  connect.Add(other.connect);
  first_byte.Add(other.first_byte);
}

void RouteMetrics::Share::CountHandshake(const tls::Session& session, absl::Duration took) {
  const size_t resumed = session.resumed() ? 1 : 0;
  handshakes[IndexOf(kTlsVersionLabels, session.version())][resumed].Add();
  groups[IndexOf(kTlsGroupLabels, session.group())].Add();
  handshake.Observe(took);
}

void RouteMetrics::Share::CountEnd(TerminationReason reason, tls::FailureDetail detail) {
  ended[static_cast<size_t>(reason)].Add();
  if (detail != tls::FailureDetail::kNone) failed[static_cast<size_t>(detail)].Add();
}

RouteMetrics::~RouteMetrics() {
  for (Node* node = first_; node != nullptr;) {
    const std::unique_ptr<Node> gone(node);
    node = gone->next;
  }
}

RouteMetrics::Share& RouteMetrics::ShareOf(const void* owner) {
  for (Node* node = first_.load(std::memory_order_acquire); node != nullptr; node = node->next) {
    if (node->owner == owner) return node->share;
  }
  auto made = std::make_unique<Node>();
  made->owner = owner;
  made->next = first_.load(std::memory_order_relaxed);
  while (!first_.compare_exchange_weak(made->next, made.get(), std::memory_order_release,
                                       std::memory_order_relaxed)) {
  }
  return made.release()->share;
}

RouteTotals RouteMetrics::Take() const {
  RouteTotals sum;
  for (const Node* node = first_.load(std::memory_order_acquire); node != nullptr;
       node = node->next) {
    const Share& share = node->share;
    sum.opened += share.opened.value();
    AddEach(share.ended, &sum.ended);
    AddEach(share.failed, &sum.failed);
    for (size_t i = 0; i < sum.handshakes.size(); ++i) {
      AddEach(share.handshakes[i], &sum.handshakes[i]);
    }
    AddEach(share.groups, &sum.groups);
    AddEach(share.ip_bytes, &sum.ip_bytes);
    for (size_t i = 0; i < sum.bytes.size(); ++i) sum.bytes[i] += share.traffic.bytes[i].value();
    sum.handshake.Add(share.handshake.Take());
    sum.connect.Add(share.connect.Take());
    sum.first_byte.Add(share.first_byte.Take());
  }
  return sum;
}

}  // namespace tlsbridge
