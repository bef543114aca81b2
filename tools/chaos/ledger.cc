#include "tools/chaos/ledger.h"

#include <cstdio>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace tlsbridge::chaos {

namespace {

constexpr size_t kPortsKept = 50;

}  // namespace

Case* Ledger::Begin(uint64_t number, const std::shared_ptr<Actor>& client, bool may_be_removed) {
  auto entry = std::make_unique<Entry>();
  entry->c.plan = DrawPlan(seed_, number);
  entry->c.may_be_removed = may_be_removed;
  entry->client = client;
  ++kinds_[static_cast<size_t>(entry->c.plan.kind)];
  ++begun_;
  ++active_;
  Case* c = &entry->c;
  entries_[number] = std::move(entry);
  return c;
}

Case* Ledger::BindBackend(uint64_t number, const std::shared_ptr<Actor>& backend) {
  const auto found = entries_.find(number);
  if (found == entries_.end() || found->second->c.backend.accepted) return nullptr;
  Case& c = found->second->c;
  c.backend.accepted = true;
  found->second->backend = backend;
  if (c.client.done) ++active_;  // the client has left already; this is its bequest
  return &c;
}

void Ledger::Wake(const std::weak_ptr<Actor>& actor) {
  if (const auto waiting = actor.lock()) world_->WakeSoon(waiting.get());
}

void Ledger::ClientDone(Case* c) {
  c->client.done = true;
  if (c->client.connected) {
    ++connected_[static_cast<size_t>(c->plan.mode)];
    removable_[static_cast<size_t>(c->plan.mode)] += c->may_be_removed ? 1 : 0;
  }
  if (c->backend.accepted && !c->backend.done) {
    return Wake(entries_.at(c->plan.number)->backend);
  }
  --active_;
  if (c->backend.accepted) JudgeCase(c->plan.number);
}

void Ledger::BackendDone(Case* c) {
  c->backend.done = true;
  if (!c->client.done) return Wake(entries_.at(c->plan.number)->client);  // to look again
  --active_;
  JudgeCase(c->plan.number);
}

void Ledger::JudgeCase(uint64_t number) {
  const std::unique_ptr<Entry> entry = std::move(entries_.at(number));
  entries_.erase(number);
  const Case& c = entry->c;
  bytes_checked_ += c.client.received + c.backend.received;
  if (c.may_be_removed || c.left_unnamed() || (c.timed_out() && !c.backend.accepted)) ++silent_;
  if (c.plan.kind == Kind::kHandshakeCut && !c.client.handshake_done) {
    handshake_cuts_.insert({c.plan.tls13, static_cast<uint64_t>(c.plan.leave), c.plan.cut_at});
  }
  if (c.client.connected) {
    const std::set<std::string> possible = PossibleReasons(c);
    for (const std::string& reason : possible) {
      Bounds& bounds = reasons_[static_cast<size_t>(c.plan.mode)][reason];
      ++bounds.most;
      if (possible.size() > 1) continue;
      ++bounds.least;
      if (bounds.ports.size() < kPortsKept) bounds.ports.push_back(c.client.port);
    }
  }

  const std::vector<std::string> found = Judge(c);
  if (found.empty() && !verbose_) return;
  violations_ += found.empty() ? 0 : 1;
  printf("%s %lu: %s\n  seen: %s\n", found.empty() ? "connection" : "VIOLATION by connection",
         static_cast<unsigned long>(number), Describe(c.plan).c_str(), DescribeOutcome(c).c_str());
  for (const std::string& violation : found) printf("  wrong: %s\n", violation.c_str());
  if (explain_) printf("  log: %s\n", explain_(c).c_str());
  fflush(stdout);
}

void Ledger::Close() {
  std::vector<uint64_t> numbers;
  for (const auto& [number, entry] : entries_) numbers.push_back(number);
  for (const uint64_t number : numbers) JudgeCase(number);
  // Such a client's backend is told no name; the program ends its stream in order.
  if (stranger_fins_ > silent_) {
    Violation(absl::StrCat(stranger_fins_, " backends without a client's header saw FIN; only ",
                           silent_, " clients said nothing until a timeout, or left in order"));
  }
}

void Ledger::Violation(const std::string& text) {
  ++violations_;
  printf("VIOLATION: %s\n", text.c_str());
  fflush(stdout);
}

}  // namespace tlsbridge::chaos
