#include "router/reloader.h"

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace tlsbridge {
namespace {

template <typename Item, typename Name>
void Compare(const std::vector<Item>& before, const std::vector<Item>& after, Name name,
             std::vector<std::string>* changes) {
  std::map<std::string, const Item*> old;
  for (const Item& item : before) old.emplace(name(item), &item);
  std::map<std::string, std::string> found;
  for (const Item& item : after) {
    const auto it = old.find(name(item));
    if (it == old.end()) {
      found[name(item)] = "+";
    } else {
      if (!(*it->second == item)) found[name(item)] = "~";
      old.erase(it);
    }
  }
  for (const auto& [gone, item] : old) found[gone] = "-";
  for (const auto& [item, sign] : found) changes->push_back(absl::StrCat(sign, item));
}

}  // namespace

Reloader::Reloader(EventLoop* loop, Source source, Receiver receiver)
    : loop_(loop), source_(std::move(source)), receiver_(std::move(receiver)) {}

Reloader::~Reloader() {
  if (thread_.joinable()) thread_.join();
}

void Reloader::Start(std::shared_ptr<const LiveConfig> current) {
  if (thread_.joinable() && !at_work_) thread_.join();
  again_ = at_work_;
  if (std::exchange(at_work_, true)) return;
  thread_ = std::thread([this, current = std::move(current)] {
    Result result = source_(current.get(), &loop_->clock());
    loop_->Post([this, result = std::move(result)]() mutable { Finish(std::move(result)); });
  });
}

void Reloader::Finish(Result result) {
  at_work_ = false;
  std::shared_ptr<const LiveConfig> current = receiver_(std::move(result));
  if (std::exchange(again_, false)) Start(std::move(current));
}

std::string DescribeChanges(const Config& before, const Config& after) {
  std::vector<std::string> changes;
  Compare(
      before.listeners, after.listeners, [](const Listener& l) { return l.address.ToString(); },
      &changes);
  Compare(
      before.routes, after.routes, [](const Route& r) { return r.name; }, &changes);
  if (!(before.limits == after.limits)) changes.emplace_back("~limits");
  if (!(before.shutdown == after.shutdown)) changes.emplace_back("~shutdown");
  return absl::StrJoin(changes, " ");
}

}  // namespace tlsbridge
