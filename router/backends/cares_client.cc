#include "router/backends/cares_client.h"

#include <optional>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"

namespace tlsbridge {

// A question that waits its turn.
class CaresClient::Asker {
 public:
  virtual ~Asker() = default;
  virtual void Begin(CaresChannel* channel) = 0;
  virtual void Fail(const absl::Status& status) = 0;
};

// c-ares takes no question back: one that nobody waits for any more goes on without its Query.
template <typename Answer>
class CaresClient::Query final : public DnsQuery, private CaresClient::Asker {
 public:
  using Done = absl::AnyInvocable<void(absl::StatusOr<Answer>) &&>;
  using Ask = absl::AnyInvocable<void(CaresChannel*, Done)>;

  Query(CaresClient* client, Ask ask, Done done)
      : client_(client),
        ask_(std::move(ask)),
        done_(std::move(done)),
        timer_(
            client->loop_, [this] { Conclude(); }, Timer::Of::kService) {
    client_->waiting_.push_back(this);
    client_->PumpSoon();
  }
  ~Query() override {
    *self_ = nullptr;
    client_->waiting_.remove(this);
  }

 private:
  void Begin(CaresChannel* channel) override {
    channel_ = channel;
    timer_.ArmAfter(client_->settings_.timeout);
    ++client_->open_;
    ask_(channel, [client = client_, self = self_](absl::StatusOr<Answer> answer) {
      --client->open_;
      client->PumpSoon();
      if (*self != nullptr) (*self)->Finish(std::move(answer));
    });
  }

  void Fail(const absl::Status& status) override { Finish(status); }

  void Finish(absl::StatusOr<Answer> result) {
    channel_ = nullptr;
    if (result_.has_value()) return;
    result_.emplace(std::move(result));
    timer_.ArmAfter(absl::ZeroDuration());
  }

  // It has been answered, or its time is over.
  void Conclude() {
    if (!result_.has_value()) {
      const absl::Status& trouble = channel_->trouble();
      result_.emplace(trouble.ok() ? absl::DeadlineExceededError("no name server answers")
                                   : trouble);
    }
    *self_ = nullptr;
    Done done = std::exchange(done_, nullptr);
    std::move(done)(*std::move(result_));
  }

  CaresClient* const client_;  // Not owned.
  Ask ask_;
  Done done_;
  CaresChannel* channel_ = nullptr;  // while it is open there
  std::optional<absl::StatusOr<Answer>> result_;
  const std::shared_ptr<Query*> self_ = std::make_shared<Query*>(this);
  Timer timer_;
};

CaresClient::CaresClient(EventLoop* loop, const DnsSettings& settings)
    : loop_(loop),
      settings_(settings),
      pump_(
          loop, [this] { Pump(); }, Timer::Of::kService) {}

CaresClient::~CaresClient() = default;

std::unique_ptr<DnsQuery> CaresClient::LookUpAddresses(const std::string& host, uint16_t port,
                                                       OnAddresses done) {
  return std::make_unique<Query<AddressAnswer>>(
      this,
      [host, port](CaresChannel* channel, OnAddresses answered) {
        channel->LookUpAddresses(host, port, std::move(answered));
      },
      std::move(done));
}

std::unique_ptr<DnsQuery> CaresClient::LookUpServices(const std::string& name, OnServices done) {
  return std::make_unique<Query<SrvAnswer>>(
      this,
      [name](CaresChannel* channel, OnServices answered) {
        channel->LookUpServices(name, std::move(answered));
      },
      std::move(done));
}

void CaresClient::Pump() {
  while (!waiting_.empty() && open_ < kMostOpen) {
    const absl::StatusOr<CaresChannel*> channel = FreshChannel();
    Asker* const next = waiting_.front();
    waiting_.pop_front();
    if (channel.ok()) {
      next->Begin(*channel);
    } else {
      next->Fail(channel.status());
    }
  }
  channels_.remove_if([](const Channel& c) { return c.channel->open() == 0; });
}

absl::StatusOr<CaresChannel*> CaresClient::FreshChannel() {
  const absl::Time now = loop_->now();
  if (!channels_.empty() && now - channels_.back().made_at < kFresh) {
    return channels_.back().channel.get();
  }
  auto channel = CaresChannel::Create(loop_, settings_);
  if (!channel.ok()) return channel.status();
  channels_.push_back({*std::move(channel), now});
  return channels_.back().channel.get();
}

}  // namespace tlsbridge
