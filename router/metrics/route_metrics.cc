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

// Of what still counts, and of what was read from it.
uint64_t ValueOf(const Counter& counter) { return counter.value(); }
uint64_t ValueOf(uint64_t number) { return number; }
DurationHistogram::Counts ValueOf(const DurationHistogram& histogram) { return histogram.Take(); }
const DurationHistogram::Counts& ValueOf(const DurationHistogram::Counts& counts) { return counts; }

template <typename Number, size_t Size>
void AddEach(const std::array<Number, Size>& from, std::array<uint64_t, Size>* to) {
  for (size_t i = 0; i < Size; ++i) (*to)[i] += ValueOf(from[i]);
}

template <typename Number, typename Histogram>
void AddCounts(const RouteCounts<Number, Histogram>& from, RouteTotals* to) {
  to->opened += ValueOf(from.opened);
  AddEach(from.ended, &to->ended);
  AddEach(from.failed, &to->failed);
  for (size_t i = 0; i < from.handshakes.size(); ++i) {
    AddEach(from.handshakes[i], &to->handshakes[i]);
  }
  AddEach(from.groups, &to->groups);
  AddEach(from.ip_bytes, &to->ip_bytes);
  to->handshake.Add(ValueOf(from.handshake));
  to->connect.Add(ValueOf(from.connect));
  to->first_byte.Add(ValueOf(from.first_byte));
}

}  // namespace

void RouteTotals::Add(const RouteTotals& other) {
  AddCounts(other, this);
  AddEach(other.bytes, &bytes);
  AddEach(other.pauses, &pauses);
  turns_waited += other.turns_waited;
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
    AddCounts(node->share, &sum);
    for (size_t i = 0; i < sum.bytes.size(); ++i) {
      sum.bytes[i] += node->share.traffic.bytes[i].value();
      sum.pauses[i] += node->share.traffic.pauses[i].value();
    }
    sum.turns_waited += node->share.traffic.turns_waited.value();
  }
  return sum;
}

}  // namespace tlsbridge
