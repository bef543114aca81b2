// A connection that stays and echoes messages, one at a time.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "absl/time/time.h"
#include "tools/bench/load/connection.h"

namespace tlsbridge::bench {

class EchoClient final : public Connection {
 public:
  // Called with the time from which the echo's latency counts, once the whole echo has come back
  // and is right. It may call Ask().
  using OnEcho = std::function<void(EchoClient&, absl::Duration asked)>;

  // `index` makes every connection's bytes its own, so that an echo that comes back elsewhere is
  // noticed.
  EchoClient(LoadContext& context, int index, OnEcho on_echo);

  // Wants an echo. If one is under way this one waits for it, and its latency includes the wait.
  void Ask(absl::Duration asked);
  // As Ask(), but from outside the callback.
  void AskAndSend(absl::Duration asked);

  // The first byte, which tells the backend to echo, has come back.
  bool greeted() const { return greeted_; }
  bool idle() const { return !busy_; }

 protected:
  void OnOpen() override;
  void Advance() override;
  void OnClosed(bool in_order) override;

 private:
  void Begin(absl::Duration asked);
  bool WriteMessage();
  void Take(absl::string_view bytes);

  const OnEcho on_echo_;
  std::deque<absl::Duration> waiting_;
  absl::Duration asked_;
  uint64_t offset_;  // Of the message in the pattern.
  size_t sent_ = 0;  // Bytes of the message.
  size_t received_ = 0;
  bool greeting_sent_ = false;
  bool greeted_ = false;
  bool busy_ = false;
};

// Opens the context's number of connections, a few at a time: more at once would measure the
// proxy's backlog. False if one failed, which the tally tells.
bool EstablishAll(LoadContext& context, const EchoClient::OnEcho& on_echo,
                  std::vector<std::unique_ptr<EchoClient>>* clients);

}  // namespace tlsbridge::bench
