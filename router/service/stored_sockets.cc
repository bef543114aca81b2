#include "router/service/stored_sockets.h"

#include "absl/strings/str_cat.h"

namespace tlsbridge {

void StoredSockets::Store(const std::map<std::string, int>& sockets) {
  if (!manager_->listens()) return;
  for (auto it = stored_.begin(); it != stored_.end();) {
    const auto wanted = sockets.find(it->first);
    if (wanted != sockets.end() && (it->second == wanted->second || it->second < 0)) {
      ++it;
      continue;
    }
    manager_->Notify(absl::StrCat("FDSTOREREMOVE=1\nFDNAME=", it->first));
    it = stored_.erase(it);
  }
  for (const auto& [name, fd] : sockets) {
    if (name.empty() || stored_.count(name) > 0) continue;
    if (manager_->Notify(absl::StrCat("FDSTORE=1\nFDNAME=", name), {fd}))
      stored_.insert({name, fd});
  }
}

}  // namespace tlsbridge
