#include "router/handover/handover.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "bridge/event/watch_error.h"
#include "tls/check.h"

namespace tlsbridge {
namespace {

constexpr absl::Duration kPollEvery = absl::Milliseconds(20);

absl::Status Refused(absl::string_view why) { return absl::AbortedError(why); }

}  // namespace

Handover::Handover(EventLoop* loop, Service* service, Launcher launcher)
    : loop_(loop),
      service_(service),
      launcher_(std::move(launcher)),
      timer_(
          loop, [this] { OnTimeout(); }, Timer::Of::kService),
      poll_(
          loop, [this] { OnPoll(); }, Timer::Of::kService) {}

Handover::~Handover() {
  if (under_way()) child_->Kill();
}

void Handover::Enter(HandoverStep step) {
  Check(MayFollow(step_, step), "a hand-over takes a step that may not follow");
  step_ = step;
  timer_.Cancel();
}

void Handover::Begin(absl::Duration timeout, OnOutcome on_outcome) {
  if (step_ == HandoverStep::kDone) {
    return on_outcome({Refused("this process has handed over already")});
  }
  if (under_way()) return on_outcome({Refused("another hand-over is in progress")});
  timeout_ = timeout;
  if (absl::Status status = Start(); !status.ok()) return on_outcome({status});
  on_outcome_ = std::move(on_outcome);
  Enter(HandoverStep::kOffering);
  timer_.ArmAfter(timeout_);
  poll_.ArmAfter(kPollEvery);
  SendState();
}

// Nothing has changed if it fails.
absl::Status Handover::Start() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) {
    return Refused(absl::StrCat("cannot create the socket of the hand-over: ", strerror(errno)));
  }
  auto channel = std::make_unique<Channel>(ends[0]);
  const Channel other_end(ends[1]);  // ours; the child has its own
  auto readable = std::make_unique<FdEvent>(loop_, ends[0], [this] { OnReadable(); });
  auto writable = std::make_unique<FdEvent>(
      loop_, ends[0], [this] { SendState(); }, FdEvent::For::kWriting);
  if (const int error = readable->Enable(); error != 0) return WatchError("the hand-over", error);
  auto child = launcher_(ends[1]);
  if (!child.ok()) return child.status();
  child_ = *std::move(child);
  channel_ = std::move(channel);
  readable_ = std::move(readable);
  writable_ = std::move(writable);
  Service::Offer offer = service_->Collect();
  ++attempt_;
  generation_ = offer.state.generation;
  sockets_ = offer.state.sockets.size();
  sender_ = std::make_unique<StateSender>(EncodeState(offer.state), std::move(offer.descriptors));
  return absl::OkStatus();
}

void Handover::SendState() {
  absl::Status status = sender_->Send(channel_.get());
  if (absl::IsUnavailable(status)) {
    if (writable_->Enable() != 0) Fail(Refused("cannot watch the socket of the hand-over"), {});
    return;
  }
  writable_->Disable();
  sender_.reset();
  if (absl::IsOutOfRange(status)) status = Refused("");
  if (!status.ok()) return Fail(status, kLastWordsTime);
  if (step_ == HandoverStep::kYielding) return SendGo();
  Enter(HandoverStep::kAwaiting);
  timer_.ArmAfter(timeout_);
}

void Handover::OnReadable() {
  auto received = channel_->Receive();
  if (absl::IsUnavailable(received.status())) return;
  // How it ends says more than that it does.
  if (absl::IsOutOfRange(received.status())) return Fail(Refused(""), kLastWordsTime);
  if (!received.ok()) return Fail(received.status(), kLastWordsTime);
  for (const int fd : received->descriptors) close(fd);  // nobody has asked for them
  OnPacket(received->packet);
}

void Handover::OnPacket(const Packet& packet) {
  const HandoverStep step = step_;
  if (packet.kind == Packet::Kind::kRefused) return Fail(Refused(packet.reason), kLastWordsTime);
  if (packet.kind == Packet::Kind::kReady && step == HandoverStep::kAwaiting) {
    return OnReady(packet);
  }
  if (packet.kind == Packet::Kind::kServing && step == HandoverStep::kConfirming) {
    return OnServing();
  }
  Fail(Refused("the new process sent an unexpected message"), {});
}

void Handover::OnReady(const Packet& packet) {
  if (packet.taken.size() != sockets_) {
    return Fail(Refused("the new process answered for other sockets than it was offered"), {});
  }
  taken_ = packet.taken;
  Enter(HandoverStep::kYielding);
  timer_.ArmAfter(kConfirmTime);
  service_->Yield([this, attempt = attempt_] { OnYielded(attempt); });
}

void Handover::OnYielded(uint64_t attempt) {
  if (attempt != attempt_ || step_ != HandoverStep::kYielding) return;
  SecretBytes last_words = service_->LastWords();
  if (last_words.size() == 0) return SendGo();
  sender_ = std::make_unique<StateSender>(std::move(last_words), std::vector<int>());
  SendState();
}

void Handover::SendGo() {
  const absl::Status status = channel_->Send({.kind = Packet::Kind::kGo});
  if (!status.ok()) return Fail(Refused("the new process closed the connection"), kLastWordsTime);
  Enter(HandoverStep::kConfirming);
  timer_.ArmAfter(kConfirmTime);
}

void Handover::OnServing() {
  Enter(HandoverStep::kDone);
  poll_.Cancel();
  readable_->Disable();  // it has nothing more to say, and closes its end
  channel_.reset();
  const pid_t pid = child_->pid();
  service_->Leave(taken_, pid);
  Finish({absl::OkStatus(), pid, generation_});
}

void Handover::OnTimeout() {
  if (step_ == HandoverStep::kFailing) return child_->Kill();
  const bool is_starting = step_ == HandoverStep::kOffering || step_ == HandoverStep::kAwaiting;
  const absl::Duration waited = is_starting ? timeout_ : kConfirmTime;
  Fail(Refused(absl::StrCat("the new process was not ready within ", absl::FormatDuration(waited))),
       {});
}

void Handover::OnPoll() {
  if (const auto end = child_->Reap()) {
    // Of what it said before only the reason matters.
    if (step_ != HandoverStep::kFailing) Fail(Refused(LastReason()), {});
    const absl::string_view said = failure_.message();
    Outcome outcome = {Refused(said.empty() ? absl::StrCat("the new process exited: ", *end)
                                            : absl::StrCat(said, " (", *end, ")"))};
    Enter(HandoverStep::kIdle);
    poll_.Cancel();
    child_.reset();
    service_->Reclaim();
    return Finish(outcome);
  }
  poll_.ArmAfter(kPollEvery);
}

std::string Handover::LastReason() {
  while (true) {
    const auto received = channel_->Receive();
    if (!received.ok()) return "";
    for (const int fd : received->descriptors) close(fd);
    if (received->packet.kind == Packet::Kind::kRefused) return received->packet.reason;
  }
}

void Handover::CallOff(absl::string_view reason) {
  if (under_way() && step_ != HandoverStep::kFailing) Fail(Refused(reason), {});
}

// It has so long to end by itself, which tells more than that it was killed; but nobody waits for
// it where nobody accepts.
void Handover::Fail(const absl::Status& why, absl::Duration time_to_end) {
  const bool accepts = Accepts(step_);
  Enter(HandoverStep::kFailing);
  failure_ = why;
  sender_.reset();
  readable_->Disable();  // it may be what calls
  writable_->Disable();
  if (accepts && time_to_end > absl::ZeroDuration()) {
    timer_.ArmAfter(time_to_end);
  } else {
    child_->Kill();
  }
  channel_.reset();
  service_->Resume();
}

void Handover::Finish(const Outcome& outcome) { std::exchange(on_outcome_, nullptr)(outcome); }

}  // namespace tlsbridge
