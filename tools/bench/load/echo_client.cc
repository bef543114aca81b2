#include "tools/bench/load/echo_client.h"

#include <utility>

#include "tools/bench/net/pattern.h"
#include "tools/bench/net/protocol.h"

namespace tlsbridge::bench {

EchoClient::EchoClient(LoadContext& context, int index, OnEcho on_echo)
    : Connection(context),
      on_echo_(std::move(on_echo)),
      offset_(static_cast<uint64_t>(index) * 7919) {}

void EchoClient::OnOpen() { busy_ = true; }

void EchoClient::OnClosed(bool) {
  waiting_.clear();
  busy_ = false;
}

void EchoClient::Ask(absl::Duration asked) {
  if (busy_) {
    waiting_.push_back(asked);
  } else {
    Begin(asked);
  }
}

void EchoClient::AskAndSend(absl::Duration asked) {
  if (!open()) return;
  const bool was_idle = idle();
  Ask(asked);
  if (was_idle) Advance();
}

void EchoClient::Begin(absl::Duration asked) {
  busy_ = true;
  asked_ = asked;
  offset_ += context_.options.size_bytes;
  sent_ = received_ = 0;
}

void EchoClient::Advance() {
  while (open()) {
    if (!WriteMessage()) return;
    const auto n = Read(absl::MakeSpan(context_.buffer));
    if (!n || *n == 0) return;
    Take(absl::string_view(context_.buffer.data(), *n));
  }
}

// False when the connection has failed.
bool EchoClient::WriteMessage() {
  if (!greeting_sent_) {
    const auto n = Write(EncodeCommand(Command::kEcho));
    greeting_sent_ = n.value_or(0) > 0;
    return n.has_value();
  }
  const size_t size = context_.options.size_bytes;
  while (greeted_ && busy_ && sent_ < size) {
    const auto n = Write(PatternAt(offset_ + sent_, size - sent_));
    if (!n) return false;
    if (*n == 0) break;
    sent_ += *n;
  }
  return true;
}

void EchoClient::Take(absl::string_view bytes) {
  if (!greeted_) {
    if (bytes != EncodeCommand(Command::kEcho)) return Fail(ErrorKind::kData, "wrong greeting");
    greeted_ = true;
    busy_ = false;
    context_.tally.Progress();
    return;
  }
  if (!busy_ || received_ + bytes.size() > sent_ ||
      MatchingBytes(offset_ + received_, bytes) != bytes.size()) {
    return Fail(ErrorKind::kData, "the echo is not what was sent");
  }
  received_ += bytes.size();
  if (received_ < context_.options.size_bytes) return;
  busy_ = false;
  context_.tally.Progress();
  on_echo_(*this, asked_);
  if (!busy_ && !waiting_.empty()) {
    Begin(waiting_.front());
    waiting_.pop_front();
  }
}

bool EstablishAll(LoadContext& context, const EchoClient::OnEcho& on_echo,
                  std::vector<std::unique_ptr<EchoClient>>* clients) {
  constexpr size_t kOpeningAtOnce = 32;
  const auto wanted = static_cast<size_t>(context.options.connections);
  size_t greeted = 0;
  context.RunUntil([&] {
    while (greeted < clients->size() && (*clients)[greeted]->greeted()) ++greeted;
    while (clients->size() < wanted && clients->size() - greeted < kOpeningAtOnce &&
           context.tally.clean()) {
      clients->push_back(
          std::make_unique<EchoClient>(context, static_cast<int>(clients->size()), on_echo));
      clients->back()->Open();
    }
    return greeted == wanted || !context.tally.clean();
  });
  return context.tally.clean();
}

}  // namespace tlsbridge::bench
