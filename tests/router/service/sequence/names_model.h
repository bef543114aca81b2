// What a name may mean to a route, and must mean after a while: the reference for the watchers of
// names. A good answer is taken over when it is asked for next; what fails changes nothing; a name
// that is not there keeps its addresses for DnsSettings::forget_after, then has none.
//
// Thread: the test's. Owner: the test. Failure: none.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>

#include "absl/time/time.h"

namespace tlsbridge::testing {

class NamesModel {
 public:
  using Meaning = std::set<std::string>;
  // It is asked again by then: every 30 s at least, and an answer that was on its way when it
  // became another one, since it comes by a thread, stands until the next.
  static constexpr absl::Duration kPatience = absl::Seconds(70);

  // What DNS says from now on.
  void Answer(const std::string& name, Meaning meaning, absl::Time now) {
    truths_[name].meaning = std::move(meaning);
    Turned(&truths_[name], now);
  }
  void Fail(bool failing, absl::Time now) {
    failing_ = failing;
    for (auto& [name, truth] : truths_) Turned(&truth, now);
  }
  bool failing() const { return failing_; }

  // A route begins to ask; its pool has taken `kept` over from the one before. True if it asks
  // now: who asks with other settings knows what was known before.
  bool Watch(const std::string& route, const std::string& name, const std::string& settings,
             Meaning kept, absl::Time now) {
    watched_.insert({route, name});
    auto [it, is_new] = watches_.try_emplace({route, name});
    if (!is_new && it->second.settings == settings) return false;
    if (is_new) it->second = {now, settings, {std::move(kept)}};
    it->second.settings = settings;
    return true;
  }
  // Those that have not been watched since then are over.
  void BeginWatching() { watched_.clear(); }
  void EndWatching() {
    std::erase_if(watches_, [this](const auto& one) { return !watched_.contains(one.first); });
  }

  // Empty if `meaning` is as it must be, else what it may be.
  std::string Judge(const std::string& route, const std::string& name, const Meaning& meaning,
                    absl::Duration forget_after, absl::Time now) {
    Watched& watch = watches_.at({route, name});
    const Truth& truth = truths_[name];
    const absl::Time since = std::max(truth.since, watch.since);
    if (truth.state == State::kGood) {
      if (now - since >= kPatience) watch.possible.clear();
      watch.possible.insert(truth.meaning);
    } else if (truth.state == State::kMissing) {
      if (now - since >= forget_after + kPatience) watch.possible.clear();
      if (now - std::max(truth.missing_since, watch.since) >= forget_after) {
        watch.possible.insert(Meaning());
      }
    }
    if (watch.possible.contains(meaning)) return "";
    std::string text;
    for (const Meaning& one : watch.possible) {
      text += "{";
      for (const std::string& address : one) text += address + " ";
      text += "}";
    }
    return text;
  }

 private:
  enum class State { kGood, kMissing, kFailing };
  struct Truth {
    Meaning meaning;
    State state = State::kMissing;
    absl::Time since = absl::InfinitePast();
    absl::Time missing_since = absl::InfinitePast();  // as who asks seldom may see it
    absl::Time missing_until = absl::InfinitePast();
  };
  struct Watched {
    absl::Time since;
    std::string settings;
    std::set<Meaning> possible;
  };

  void Turned(Truth* truth, absl::Time now) {
    if (truth->state == State::kMissing) truth->missing_until = now;
    truth->state = failing_                 ? State::kFailing
                   : truth->meaning.empty() ? State::kMissing
                                            : State::kGood;
    truth->since = now;
    if (truth->state == State::kMissing && now - truth->missing_until > kPatience) {
      truth->missing_since = now;
    }
  }

  bool failing_ = false;
  std::map<std::string, Truth> truths_;
  std::map<std::pair<std::string, std::string>, Watched> watches_;
  std::set<std::pair<std::string, std::string>> watched_;
};

}  // namespace tlsbridge::testing
