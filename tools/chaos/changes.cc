#include "tools/chaos/changes.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <unistd.h>

#include <fstream>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"

namespace tlsbridge::chaos {
namespace {

int PortOf(const bench::Address& address) {
  return ntohs(reinterpret_cast<const sockaddr_in*>(address.get())->sin_port);
}

absl::StatusOr<bench::Address> FreeAddress() {
  const auto socket = Socket::Listen(/*backlog=*/-1, /*receive_buffer_bytes=*/0);
  if (!socket.ok()) return socket.status();
  return socket->LocalAddress();
}

}  // namespace

Changes::~Changes() {
  unlink(path_.c_str());
  unlink(absl::StrCat(path_, ".new").c_str());
}

absl::Status Changes::Open() {
  path_ = absl::StrCat(around_.certificate->folder(), "/", static_cast<int>(around_.mode), ".yaml");
  for (bench::Address* address : {&lasting_, &removable_, &extra_}) {
    auto free = FreeAddress();
    if (!free.ok()) return free.status();
    *address = *free;
  }
  auto nobody = Socket::Listen(/*backlog=*/-1, /*receive_buffer_bytes=*/0);
  if (!nobody.ok()) return nobody.status();
  nobody_ = *std::move(nobody);
  around_.names->Set(NameServer::Mood::kAnswers, {1});
  Write(/*wrong=*/false);
  return absl::OkStatus();
}

absl::Status Changes::Next() {
  absl::Status status;
  ++made_;
  switch (random_.Below(8)) {
    case 0:
      has_removable_route_ = !has_removable_route_;
      break;
    case 1:
      has_removable_listener_ = !has_removable_listener_;
      has_removable_route_ = has_removable_listener_;
      break;
    case 2:
      has_extra_listener_ = !has_extra_listener_;
      break;
    case 3:
      extra_routes_ = random_.Below(20);
      break;
    case 4:
      status = around_.certificate->Renew();
      break;
    case 5:
      around_.names->Set(
          static_cast<NameServer::Mood>(random_.Below(3)),
          random_.Percent(50) ? std::vector<uint8_t>{1} : std::vector<uint8_t>{2, 1});
      break;
    default:
      break;  // what is drawn anew each time
  }
  const bool wrong = random_.Percent(15);
  wrong_ += wrong ? 1 : 0;
  Write(wrong);
  return status;
}

// Weights, names and order change; one at least serves.
std::string Changes::Backends(bool may_fail_over) {
  const auto weight = [this] { return absl::StrCat(random_.Between(1, 100)); };
  std::string text = absl::StrCat("\n      - {address: \"", around_.backend.ToString(),
                                  "\", weight: ", weight(), "}");
  if (!may_fail_over) return text;
  if (random_.Percent(50)) {
    absl::StrAppend(&text, "\n      - {address: \"", nobody_.LocalAddress().ToString(),
                    "\", weight: ", weight(), "}");
  }
  if (random_.Percent(70)) {
    absl::StrAppend(&text, "\n      - {address: \"dns:backend.test.:", PortOf(around_.backend),
                    "\", weight: ", weight(), "}\n    dns: {ttl_floor: 1s, servers: [\"",
                    around_.names->address().ToString(), "\"]}");
  }
  return text;
}

std::string Changes::Route(const std::string& name, int port, bool may_fail_over) {
  constexpr const char* kBalance[] = {"round-robin", "least-connections", "source-hash",
                                      "random-two"};
  return absl::StrCat(
      "  - name: ", name, "\n    match: {ports: [", port, "]}\n    tls: {certificates: [{cert: \"",
      around_.certificate->certificate(), "\", key: \"", around_.certificate->key(),
      "\"}]}\n    unsafe_backend: true\n    balance: ", kBalance[random_.Below(4)],
      "\n    ejection: {after_failures: ", random_.Between(1, 5),
      ", first: ", random_.Between(1, 3),
      "s}\n    limits: {connections: ", around_.connections + random_.Below(1000),
      "}\n    timeouts: ", around_.timeouts, "\n    backends:", Backends(may_fail_over), "\n");
}

// Each is refused as a whole.
std::string Changes::Mistake() {
  switch (random_.Below(4)) {
    case 0:
      return "nonsense: 1\n";
    case 1:
      return "  - name: lasting\n    action: block\n";  // a name that there is already
    case 2:
      return "  - name: keyless\n    tls: {certificates: [{cert: /nonexistent, key: "
             "/nonexistent}]}\n"
             "    backends: [{address: \"127.0.0.1:1\"}]\n";
    default:
      return "  - [\n";
  }
}

void Changes::Write(bool wrong) {
  const bool taken = wrong && random_.Percent(25);
  std::string text = absl::StrCat("log: {format: json}\nworkers: 2\nshutdown: {drain_timeout: ",
                                  "2s}\nlisteners:\n  - address: \"", lasting_.ToString(), "\"\n");
  if (has_removable_listener_) {
    absl::StrAppend(&text, "  - address: \"", removable_.ToString(), "\"\n");
  }
  if (has_extra_listener_) absl::StrAppend(&text, "  - address: \"", extra_.ToString(), "\"\n");
  if (taken) {
    absl::StrAppend(&text, "  - address: \"", nobody_.LocalAddress().ToString(), "\"\n");
  }
  absl::StrAppend(&text, "routes:\n");
  // Of a backend that fails by itself the reason shall be that one's.
  const bool may_fail_over =
      around_.mode == BackendMode::kClientFirst || around_.mode == BackendMode::kServerFirst;
  absl::StrAppend(&text, Route("lasting", PortOf(lasting_), may_fail_over));
  if (has_removable_route_) {
    absl::StrAppend(&text, Route("removable", PortOf(removable_), may_fail_over));
  }
  for (uint64_t i = 0; i < extra_routes_; ++i) {
    absl::StrAppend(&text, "  - name: extra", i, "\n    match: {domains: [extra", i,
                    ".test]}\n    action: block\n");
  }
  if (wrong && !taken) absl::StrAppend(&text, Mistake());
  const std::string next = absl::StrCat(path_, ".new");
  std::ofstream(next) << text;
  rename(next.c_str(), path_.c_str());
}

}  // namespace tlsbridge::chaos
