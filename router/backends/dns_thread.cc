#include "router/backends/dns_thread.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"

namespace tlsbridge {

// A question of another loop's. What runs there holds `asked_`, so that an answer that is under way
// when the question dies finds nobody.
template <typename Answer>
class DnsThread::Query final : public DnsQuery {
 public:
  using Done = absl::AnyInvocable<void(absl::StatusOr<Answer>) &&>;
  using Ask = absl::AnyInvocable<std::unique_ptr<DnsQuery>(Done)>;  // on the thread

  Query(DnsThread* thread, EventLoop* asker, Ask ask, Done done)
      : thread_(thread), id_(++thread->last_question_) {
    asked_->done = std::move(done);
    thread->loop_->Post([thread, id = id_, asker, asked = asked_, ask = std::move(ask)]() mutable {
      thread->questions_[id] = ask([thread, id, asker, asked](absl::StatusOr<Answer> answer) {
        asker->Post([asked, answer = std::move(answer)]() mutable {
          Done done = std::exchange(asked->done, nullptr);
          if (done != nullptr) std::move(done)(std::move(answer));
        });
        // Not here: it is at work.
        thread->loop_->Post([thread, id] { thread->questions_.erase(id); });
      });
    });
  }
  ~Query() override {
    asked_->done = nullptr;
    thread_->loop_->Post([thread = thread_, id = id_] { thread->questions_.erase(id); });
  }

 private:
  struct Asked {
    Done done;  // touched by the asker's thread only
  };

  DnsThread* const thread_;  // Not owned.
  const uint64_t id_;
  const std::shared_ptr<Asked> asked_ = std::make_shared<Asked>();
};

class DnsThread::Client final : public DnsClient {
 public:
  Client(DnsThread* thread, EventLoop* asker, const DnsSettings& settings)
      : thread_(thread), asker_(asker) {
    thread->loop_->Post(
        [thread, settings, shared = shared_] { *shared = thread->Acquire(settings); });
  }
  ~Client() override {
    thread_->loop_->Post([thread = thread_, shared = shared_] { thread->Release(*shared); });
  }

  std::unique_ptr<DnsQuery> LookUpAddresses(const std::string& host, uint16_t port,
                                            OnAddresses done) override {
    return std::make_unique<Query<AddressAnswer>>(
        thread_, asker_,
        [shared = shared_, host, port](OnAddresses answered) {
          return (*shared)->LookUpAddresses(host, port, std::move(answered));
        },
        std::move(done));
  }
  std::unique_ptr<DnsQuery> LookUpServices(const std::string& name, OnServices done) override {
    return std::make_unique<Query<SrvAnswer>>(
        thread_, asker_,
        [shared = shared_, name](OnServices answered) {
          return (*shared)->LookUpServices(name, std::move(answered));
        },
        std::move(done));
  }

 private:
  DnsThread* const thread_;  // Not owned.
  EventLoop* const asker_;   // Not owned.
  // The thread's, which sets it before the first question comes.
  const std::shared_ptr<CaresClient*> shared_ = std::make_shared<CaresClient*>(nullptr);
};

absl::StatusOr<std::unique_ptr<DnsThread>> DnsThread::Create() {
  std::unique_ptr<DnsThread> dns(new DnsThread());
  auto loop = EventLoop::Create(&dns->clock_);
  if (!loop.ok()) return loop.status();
  dns->loop_ = *std::move(loop);
  auto thread = Thread::Start("lookups", [own = dns->loop_.get()] { own->Run(); });
  if (!thread.ok()) return thread.status();
  dns->thread_ = *std::move(thread);
  return dns;
}

DnsThread::~DnsThread() {
  if (!thread_.joinable()) return;
  loop_->Stop();
  thread_.Join();
  questions_.clear();
  shared_.clear();
}

std::unique_ptr<DnsClient> DnsThread::MakeClient(EventLoop* asker, const DnsSettings& settings) {
  return std::make_unique<Client>(this, asker, settings);
}

// Only what matters to a question is compared.
CaresClient* DnsThread::Acquire(const DnsSettings& settings) {
  const auto same = [&settings](const Shared& shared) {
    return shared.settings.servers == settings.servers &&
           shared.settings.timeout == settings.timeout;
  };
  auto it = std::find_if(shared_.begin(), shared_.end(), same);
  if (it == shared_.end()) it = shared_.emplace(shared_.end(), loop_.get(), settings);
  ++it->users;
  return &it->client;
}

// Its questions have been taken back.
void DnsThread::Release(const CaresClient* client) {
  const auto it = std::find_if(shared_.begin(), shared_.end(),
                               [client](const Shared& shared) { return &shared.client == client; });
  if (--it->users == 0) shared_.erase(it);
}

}  // namespace tlsbridge
