#include "router/kernel/flow_watcher.h"

#include <linux/netfilter/nfnetlink.h>

#include <utility>

#include "absl/types/span.h"
#include "router/kernel/flow_filter.h"
#include "router/kernel/netlink/flow_question.h"

namespace tlsbridge::kernel {
namespace {

// What comes meanwhile is as much as can come before it is read; this is for a flood that does not
// end.
constexpr int kMostEventsOfADump = 1 << 20;
// Their answers are a fraction of what the socket may hold.
constexpr size_t kQuestionsAtOnce = 64;

}  // namespace

absl::StatusOr<std::unique_ptr<FlowWatcher>> FlowWatcher::Create(FlowTable::Owner owner,
                                                                 Observer observer,
                                                                 const Clock* clock,
                                                                 Options options,
                                                                 Inherited inherited) {
  auto questions = NetfilterSocket::Open();
  if (!questions.ok()) return questions.status();
  if (inherited.events != nullptr) {
    std::unique_ptr<FlowWatcher> watcher(new FlowWatcher(std::move(inherited.events),
                                                         *std::move(questions), std::move(owner),
                                                         std::move(observer), clock));
    watcher->table_.Expect(inherited.flows);
    watcher->dump_first_ = true;
    return watcher;
  }
  auto events = NetfilterSocket::Open();
  if (!events.ok()) return events.status();
  (*events)->SetReceiveBuffer(options.receive_buffer_bytes);
  // Without it the same is read, and more.
  (*events)->Filter(FlowFilter()).IgnoreError();
  for (const int group :
       {NFNLGRP_CONNTRACK_NEW, NFNLGRP_CONNTRACK_UPDATE, NFNLGRP_CONNTRACK_DESTROY}) {
    if (absl::Status status = (*events)->Join(group); !status.ok()) return status;
  }
  return std::unique_ptr<FlowWatcher>(new FlowWatcher(
      *std::move(events), *std::move(questions), std::move(owner), std::move(observer), clock));
}

FlowWatcher::FlowWatcher(std::unique_ptr<NetfilterSocket> events,
                         std::unique_ptr<NetfilterSocket> questions, FlowTable::Owner owner,
                         Observer observer, const Clock* clock)
    : events_(std::move(events)),
      questions_(std::move(questions)),
      observer_(std::move(observer)),
      clock_(clock),
      table_(std::move(owner)) {}

void FlowWatcher::Tell(const std::vector<FlowEvent>& events) {
  for (const FlowEvent& event : events) observer_(event);
}

void FlowWatcher::Take(const netlink::Message& message, FlowTable::From from) {
  const auto flow = netlink::ReadFlow(message);
  if (flow) Tell(table_.Take(*flow, clock_->Wall(), from));
}

absl::StatusOr<bool> FlowWatcher::TakeEvents(int most) {
  bool more = true;
  while (more && most-- > 0) {
    absl::StatusOr<absl::Span<const uint8_t>> datagram = events_->Receive();
    if (absl::IsResourceExhausted(datagram.status())) {
      ++overflows_;
      must_reconcile_ = true;
      continue;
    }
    if (!datagram.ok()) return datagram.status();
    more = !datagram->empty();
    netlink::Message message;
    while (netlink::TakeMessage(&*datagram, &message)) {
      Take(message, FlowTable::From::kEvent);
    }
  }
  return more;
}

absl::StatusOr<bool> FlowWatcher::Read(int most) {
  if (dump_first_) {
    if (absl::Status status = Reconcile(); !status.ok()) return status;
    return false;
  }
  absl::StatusOr<bool> more = TakeEvents(most);
  if (!more.ok()) return more;
  // After what came before it, so that nothing old is read after the dump's news.
  if (!*more && must_reconcile_) {
    if (absl::Status status = Reconcile(); !status.ok()) return status;
  }
  // Counters of flows that are over.
  AskFor(table_.TakeUnasked());
  return more;
}

absl::Status FlowWatcher::Reconcile() {
  netlink::Writer question;
  netlink::AskForFlows(&question);
  table_.BeginDump();
  absl::Status status = questions_->Ask(&question, [this](const netlink::Message& message) {
    Take(message, FlowTable::From::kAnswer);
  });
  if (!status.ok()) return status;
  must_reconcile_ = dump_first_ = false;
  // A dump makes the kernel look for what has timed out; those are not lost, but told of now.
  absl::StatusOr<bool> taken = TakeEvents(kMostEventsOfADump);
  if (!taken.ok()) return taken.status();
  Tell(table_.EndDump(clock_->Wall()));
  // Of those whose end came behind the dump; nothing else may come that makes anybody read again.
  AskFor(table_.TakeUnasked());
  return absl::OkStatus();
}

void FlowWatcher::AskForOpening(absl::Duration longer_than) {
  AskFor(table_.Opening(clock_->Wall() - longer_than));
}

void FlowWatcher::AskFor(const std::vector<Flow>& flows) {
  for (size_t i = 0; i < flows.size(); i += kQuestionsAtOnce) {
    netlink::Writer questions;
    for (const Flow& flow : absl::MakeSpan(flows).subspan(i, kQuestionsAtOnce)) {
      netlink::AskForFlow(flow.original, &questions);
    }
    // If one is gone, the event of its end has what there is to know.
    questions_
        ->Ask(&questions,
              [this](const netlink::Message& message) { Take(message, FlowTable::From::kAnswer); })
        .IgnoreError();
  }
}

absl::Status FlowWatcher::Remove(uint32_t id, TerminationReason reason) {
  const Flow* const flow = table_.Find(id);
  if (flow == nullptr) return absl::NotFoundError("no such flow");
  netlink::Writer request;
  netlink::ForgetFlow(flow->original, id, &request);
  absl::Status status = questions_->Ask(&request, [](const netlink::Message&) {});
  // The event of its end is read after this.
  if (status.ok()) table_.WillRemove(id, reason);
  return status;
}

}  // namespace tlsbridge::kernel
