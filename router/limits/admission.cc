#include "router/limits/admission.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace tlsbridge {

Admission::Token::Token(Token&& other) noexcept
    : admission_(std::exchange(other.admission_, nullptr)),
      client_(std::move(other.client_)),
      handshaking_(other.handshaking_) {}

Admission::Token& Admission::Token::operator=(Token&& other) noexcept {
  std::swap(admission_, other.admission_);
  std::swap(client_, other.client_);
  std::swap(handshaking_, other.handshaking_);
  return *this;
}

Admission::Token::~Token() {
  if (admission_ != nullptr) admission_->Release(*this);
}

void Admission::Token::FinishHandshake() {
  if (!std::exchange(handshaking_, false) || client_.empty()) return;
  admission_->FinishHandshake(client_);
}

Admission::Admission(const Limits& limits, int64_t budget)
    : Admission(limits, budget, TerminationReason::kGlobalLimit) {}

Admission::Admission(const Limits& limits)
    : Admission(limits, std::numeric_limits<int64_t>::max(), TerminationReason::kRouteLimit) {}

Admission::Admission(const Limits& limits, int64_t budget, TerminationReason over_limit)
    : over_limit_(over_limit), budget_(budget) {
  SetLimits(limits);
}

void Admission::SetLimits(const Limits& limits, int64_t budget) {
  {
    const MutexLock lock(mutex_);
    budget_ = budget;
  }
  SetLimits(limits);
}

void Admission::SetLimits(const Limits& limits) {
  const MutexLock lock(mutex_);
  const bool limited = limits.connections > 0 && limits.connections <= budget_;
  limit_ = limited ? limits.connections : budget_;
  limit_reason_ = limited ? over_limit_ : TerminationReason::kFdLimit;
  per_ip_ = limits.connections_per_ip;
  per_ip_per_minute_ = limits.new_per_ip_per_minute;
  if (per_ip_per_minute_ == 0) {
    for (const std::string& key : idle_) clients_.erase(key);
    idle_.clear();
  }
  handshakes_per_ip_ = limits.handshakes_per_ip;
  if (handshakes_per_ip_ == 0 && limits.handshakes > 0) {
    const int64_t half = std::min(limits.handshakes, limit_) / 2;
    handshakes_per_ip_ = std::max(kLeastHandshakesPerIp, half);
  }
}

TerminationReason Admission::Admit(const SocketAddress& peer, absl::Time now, Token* token) {
  Token admitted;
  TerminationReason refusal = AdmitUnnamed(&admitted);
  if (refusal == TerminationReason::kNone) refusal = NameClient(peer, now, &admitted);
  if (refusal == TerminationReason::kNone) *token = std::move(admitted);
  return refusal;
}

void Admission::Count(const SocketAddress& peer, absl::Time now, Token* token) {
  Token counted(this, std::string());
  counted.handshaking_ = false;
  {
    const MutexLock lock(mutex_);
    ++connections_;
    ++admitted_;
    if (counts_clients()) {
      std::string key = peer.ClientKey();
      auto [it, is_new] = clients_.try_emplace(key);
      Client& client = it->second;
      if (!is_new && client.connections == 0) idle_.erase(client.idle);
      WithinRate(&client, now);  // which begins a new minute
      ++client.connections;
      ++client.new_in_minute;
      counted.client_ = std::move(key);
    }
  }
  *token = std::move(counted);
}

TerminationReason Admission::AdmitUnnamed(Token* token) {
  {
    const MutexLock lock(mutex_);
    if (connections_ >= limit_) return limit_reason_;
    ++connections_;
    ++admitted_;
  }
  *token = Token(this, std::string());
  return TerminationReason::kNone;
}

TerminationReason Admission::NameClient(const SocketAddress& client, absl::Time now, Token* token) {
  const MutexLock lock(mutex_);
  if (!counts_clients()) return TerminationReason::kNone;
  std::string key = client.ClientKey();
  const TerminationReason refusal = AdmitClient(key, now);
  if (refusal == TerminationReason::kNone) token->client_ = std::move(key);
  return refusal;
}

TerminationReason Admission::AdmitClient(const std::string& key, absl::Time now) {
  auto [it, is_new] = clients_.try_emplace(key);
  Client& client = it->second;
  if (is_new) client.idle = idle_.insert(idle_.end(), key);
  TerminationReason refusal = TerminationReason::kNone;
  if (per_ip_ > 0 && client.connections >= per_ip_) {
    refusal = TerminationReason::kIpLimit;
  } else if (handshakes_per_ip_ > 0 && client.handshaking >= handshakes_per_ip_) {
    refusal = TerminationReason::kIpHandshakeLimit;
  } else if (per_ip_per_minute_ > 0 && !WithinRate(&client, now)) {
    refusal = TerminationReason::kRateLimit;
  } else {
    if (client.connections++ == 0) idle_.erase(client.idle);
    ++client.handshaking;
    ++client.new_in_minute;
  }
  if (idle_.size() > kMaxIdleClients) {
    clients_.erase(idle_.front());
    idle_.pop_front();
  }
  return refusal;
}

bool Admission::WithinRate(Client* client, absl::Time now) const {
  const absl::Duration since_epoch = now - absl::UnixEpoch();
  absl::Duration into_minute;
  const int64_t minute = absl::IDivDuration(since_epoch, absl::Minutes(1), &into_minute);
  // Workers' clocks differ by a moment: one of the minute before counts to the newest.
  if (minute < client->minute) into_minute = absl::ZeroDuration();
  if (minute > client->minute) {
    client->new_in_last_minute = minute == client->minute + 1 ? client->new_in_minute : 0;
    client->new_in_minute = 0;
    client->minute = minute;
  }
  // Of the minute before, the part that still lies within the last 60 seconds.
  const double share = 1 - absl::FDivDuration(into_minute, absl::Minutes(1));
  const double recent = static_cast<double>(client->new_in_minute) +
                        share * static_cast<double>(client->new_in_last_minute);
  return recent < static_cast<double>(per_ip_per_minute_);
}

void Admission::FinishHandshake(const std::string& key) {
  const MutexLock lock(mutex_);
  --clients_.find(key)->second.handshaking;
}

void Admission::Release(const Token& token) {
  const MutexLock lock(mutex_);
  --connections_;
  if (token.client_.empty()) return;  // clients were not counted when it came
  const auto it = clients_.find(token.client_);
  Client& client = it->second;
  if (token.handshaking_) --client.handshaking;
  if (--client.connections > 0) return;
  if (per_ip_per_minute_ == 0) {
    clients_.erase(it);
  } else {
    client.idle = idle_.insert(idle_.end(), token.client_);
  }
}

std::vector<Admission::Rate> Admission::ExportRates(absl::Time now) const {
  const int64_t minute = (now - absl::UnixEpoch()) / absl::Minutes(1);
  std::vector<Rate> rates;
  const MutexLock lock(mutex_);
  if (per_ip_per_minute_ == 0) return rates;
  for (const auto& [key, client] : clients_) {
    if (client.minute + 1 < minute || rates.size() == kMaxIdleClients) continue;
    rates.push_back({key, client.minute, client.new_in_minute, client.new_in_last_minute});
  }
  return rates;
}

void Admission::ImportRates(const std::vector<Rate>& rates) {
  const MutexLock lock(mutex_);
  if (per_ip_per_minute_ == 0) return;
  for (const Rate& rate : rates) {
    if (idle_.size() >= kMaxIdleClients) break;
    auto [it, is_new] = clients_.try_emplace(rate.client);
    if (!is_new) continue;
    it->second.minute = rate.minute;
    it->second.new_in_minute = rate.new_in_minute;
    it->second.new_in_last_minute = rate.new_in_last_minute;
    it->second.idle = idle_.insert(idle_.end(), rate.client);
  }
}

int64_t Admission::connections() const {
  const MutexLock lock(mutex_);
  return connections_;
}

int64_t Admission::admitted() const {
  const MutexLock lock(mutex_);
  return admitted_;
}

int64_t Admission::limit() const {
  const MutexLock lock(mutex_);
  return limit_;
}

int64_t Admission::handshakes_per_ip() const {
  const MutexLock lock(mutex_);
  return handshakes_per_ip_;
}

size_t Admission::clients() const {
  const MutexLock lock(mutex_);
  return clients_.size();
}

}  // namespace tlsbridge
