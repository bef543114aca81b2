#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tools/bench/load/connection.h"
#include "tools/bench/load/modes.h"
#include "tools/bench/net/pattern.h"
#include "tools/bench/net/protocol.h"

namespace tlsbridge::bench {
namespace {

// The part that both directions have: a command goes out when the run starts.
class BulkClient : public Connection {
 public:
  BulkClient(LoadContext& context, Command command, uint64_t length)
      : Connection(context), length_(length), command_(EncodeCommand(command, length)) {}

  void Start() {
    started_ = true;
    Advance();
  }
  bool done() const { return done_; }
  uint64_t moved() const { return moved_; }

 protected:
  void Advance() final {
    // The handshake's own leftovers (tickets) wait in the stream; nothing is lost by not reading
    // yet.
    if (!started_) return;
    while (!command_.empty()) {
      const auto n = Write(command_);
      if (!n || *n == 0) return;
      command_.erase(0, *n);
    }
    Transfer();
  }
  virtual void Transfer() = 0;
  void OnClosed(bool) override { done_ = true; }

  const uint64_t length_;
  uint64_t moved_ = 0;
  bool done_ = false;

 private:
  std::string command_;
  bool started_ = false;
};

class Download final : public BulkClient {
 public:
  Download(LoadContext& context, uint64_t length) : BulkClient(context, Command::kSource, length) {}

 private:
  void Transfer() override {
    while (true) {
      const IoResult result = ReadRaw(absl::MakeSpan(context_.buffer));
      if (result.verdict == IoStatus::kBlocked) return;
      if (result.verdict != IoStatus::kOk) return End(result.verdict);
      const absl::string_view bytes(context_.buffer.data(), result.bytes);
      if (MatchingBytes(moved_, bytes) != bytes.size()) {
        return Fail(ErrorKind::kData, absl::StrCat("wrong byte after ", moved_));
      }
      moved_ += bytes.size();
      context_.tally.Progress();
    }
  }

  void End(IoStatus verdict) {
    if (moved_ != length_) {
      context_.tally.Error(ErrorKind::kData, absl::StrCat(moved_, " bytes of ", length_));
      return FailOn(verdict);
    }
    if (verdict == IoStatus::kTruncated) ++context_.tally.ends_without_close_notify;
    if (verdict != IoStatus::kTruncated && verdict != IoStatus::kEnd) return FailOn(verdict);
    done_ = true;
    Close();
  }
};

class Upload final : public BulkClient {
 public:
  Upload(LoadContext& context, uint64_t length) : BulkClient(context, Command::kSink, length) {}

 private:
  void Transfer() override {
    while (moved_ < length_) {
      const auto n = Write(PatternAt(moved_, std::min<uint64_t>(length_ - moved_, kWriteBytes)));
      if (!n) return;
      if (*n == 0) break;
      moved_ += *n;
      context_.tally.Progress();
    }
    const auto n = Read(absl::MakeSpan(context_.buffer));
    if (!n || *n == 0) return;
    answer_.append(context_.buffer.data(), *n);
    if (answer_.size() < kLengthBytes) return;
    const uint64_t arrived = DecodeLength(answer_);
    if (moved_ != length_ || answer_.size() != kLengthBytes || arrived != length_) {
      return Fail(ErrorKind::kData,
                  absl::StrCat(arrived, " bytes of ", length_, " arrived as they were sent"));
    }
    done_ = true;
    Close();
  }

  static constexpr uint64_t kWriteBytes = 16 * 1024;  // One record.
  std::string answer_;
};

template <typename Client>
RunResult Run(LoadContext& context) {
  const auto connections = static_cast<uint64_t>(context.options.connections);
  std::vector<std::unique_ptr<Client>> clients;
  for (uint64_t i = 0; i < connections; ++i) {
    const uint64_t extra = i < context.options.total_bytes % connections ? 1 : 0;
    clients.push_back(
        std::make_unique<Client>(context, context.options.total_bytes / connections + extra));
    clients.back()->Open();
  }
  const auto all = [&clients](auto holds) {
    return [&clients, holds] { return std::all_of(clients.begin(), clients.end(), holds); };
  };
  context.RunUntil(all([](const auto& client) { return client->open() || client->closed(); }));
  if (!context.tally.clean()) return {};

  context.meter.Start();
  for (const auto& client : clients) client->Start();
  context.RunUntil(all([](const auto& client) { return client->done(); }));
  context.meter.Stop();
  context.RunUntil(all([](const auto& client) { return client->closed(); }));

  RunResult result;
  for (const auto& client : clients) {
    result.bytes += client->moved();
    ++result.operations;
  }
  return result;
}

}  // namespace

RunResult RunBulk(LoadContext& context) {
  return context.options.direction == Direction::kDownload ? Run<Download>(context)
                                                           : Run<Upload>(context);
}

}  // namespace tlsbridge::bench
