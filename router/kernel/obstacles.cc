#include "router/kernel/obstacles.h"

#include <arpa/inet.h>  // before the kernel's headers, which then leave out what it has
#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "router/kernel/kernel_table.h"
#include "router/kernel/netfilter_socket.h"

namespace tlsbridge::kernel {
namespace {

constexpr char kGiveCapability[] =
    "give the program CAP_NET_ADMIN (systemd: AmbientCapabilities=CAP_NET_ADMIN), or forward by "
    "the "
    "proxy";

std::string ReadSysctl(const std::string& name) {
  const int fd = open(absl::StrCat("/proc/sys/net/", name).c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return "";
  char value[16];
  const ssize_t length = read(fd, value, sizeof(value));
  close(fd);
  std::string text(value, static_cast<size_t>(std::max<ssize_t>(length, 0)));
  text.erase(std::find(text.begin(), text.end(), '\n'), text.end());
  return text;
}

bool WriteSysctl(const std::string& name, char value) {
  const int fd = open(absl::StrCat("/proc/sys/net/", name).c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool written = write(fd, &value, 1) == 1;
  close(fd);
  return written;
}

struct Counting {
  const char* sysctl;
  const char* unknown;
};
constexpr Counting kCountings[] = {
    {"netfilter/nf_conntrack_acct", "bytes of connections are not counted"},
    {"netfilter/nf_conntrack_timestamp", "times of connections are not kept"},
};

// What a statement needs of the kernel, and the option that builds it.
struct Need {
  const char* what;
  const char* option;
};

struct NeedOf {
  Need operator()(const IsOfFamily&) const {
    return {"tests of a packet's family", "NF_TABLES_INET"};
  }
  Need operator()(const IsTcp&) const { return {"tests of a packet's protocol", "NF_TABLES_INET"}; }
  Need operator()(const IsSyn&) const { return {"tests of TCP flags", "NF_TABLES"}; }
  Need operator()(const IsInvalid&) const { return {"connection tracking", "NFT_CT"}; }
  Need operator()(const IsToThisMachine&) const { return {"route lookups", "NFT_FIB_INET"}; }
  Need operator()(const IsForwarded&) const { return {"connection tracking", "NFT_CT"}; }
  Need operator()(const IsIn&) const { return {"sets", "NF_TABLES"}; }
  Need operator()(const IsTurn&) const { return {"round robin", "NFT_NUMGEN"}; }
  Need operator()(const IsOverCount&) const { return {"connection limits", "NFT_CONNLIMIT"}; }
  Need operator()(const IsClientOverCount&) const {
    return {"connection limits per client", "NFT_CONNLIMIT"};
  }
  Need operator()(const IsClientOverRate&) const { return {"rate limits", "NFT_LIMIT"}; }
  Need operator()(const GoWhere&) const { return {"maps", "NF_TABLES"}; }
  Need operator()(const ForwardTo&) const { return {"address translation (NAT)", "NFT_NAT"}; }
  Need operator()(const ForwardWhere& s) const {
    if (s.key.fields == std::vector<Field>{Field::kSourceSlot}) {
      return {"balancing by the client's address", "NFT_HASH"};
    }
    return {"address translation (NAT) by maps", "NFT_NAT"};
  }
  Need operator()(const Masquerade&) const { return {"masquerading", "NFT_MASQ"}; }
  Need operator()(const UseTimeouts&) const {
    return {"connection timeouts", "NF_CONNTRACK_TIMEOUT"};
  }
  Need operator()(const LimitEvents&) const { return {"connection events", "NF_CONNTRACK_EVENTS"}; }
  Need operator()(const Verdict&) const { return {"verdicts", "NF_TABLES"}; }
};

// The same table with nothing but this statement, where it stands.
Ruleset WithOnly(const Ruleset& rules, const std::string& chain, const Statement& statement) {
  Ruleset one = rules;
  one.elements.clear();
  for (auto& [name, other] : one.chains) other.rules.clear();
  one.chains[chain].rules = {{statement}};
  return one;
}

// Which statements the kernel has not, each kind once.
void FindMissing(const Ruleset& rules, NetfilterSocket* socket, std::vector<Obstacle>* obstacles) {
  std::set<std::string> asked;
  for (const auto& [chain, content] : rules.chains) {
    for (const Rule& rule : content.rules) {
      for (const Statement& statement : rule) {
        const Need need = std::visit(NeedOf(), statement);
        if (!asked.insert(need.what).second) continue;
        Batch batch = FullBatch(WithOnly(rules, chain, statement), 0, false);
        const absl::Status status = socket->Try(&batch);
        if (status.ok()) continue;
        obstacles->push_back(
            {true, absl::StrCat("this kernel lacks ", need.what, ": ", status.message()),
             absl::StrCat("use a kernel with CONFIG_", need.option, ", or forward by the proxy")});
      }
    }
  }
}

void AskTheKernel(const Ruleset& rules, bool keep, std::vector<Obstacle>* obstacles) {
  const auto socket = NetfilterSocket::Open();
  if (!socket.ok()) {
    obstacles->push_back({true, std::string(socket.status().message()),
                          "use a kernel with CONFIG_NETFILTER_NETLINK, or forward by the proxy"});
    return;
  }
  // Of another name, since that of the table may be in use.
  Ruleset trial = rules;
  trial.table = absl::StrCat(rules.table, "-trial");
  Batch whole = FullBatch(trial, kOwner | (keep ? kPersist : 0), false);
  const absl::Status status = (*socket)->Try(&whole);
  if (status.ok()) return;
  if (absl::IsPermissionDenied(status)) {
    obstacles->push_back(
        {true, "the kernel does not let this process change its packet filter", kGiveCapability});
    return;
  }
  Batch without_owner = FullBatch(trial, 0, false);
  if ((*socket)->Try(&without_owner).ok()) {
    Batch without_keep = FullBatch(trial, kOwner, false);
    const bool owner_alone = (*socket)->Try(&without_keep).ok();
    obstacles->push_back({true,
                          owner_alone
                              ? "this kernel cannot keep a table when its owner ends (Linux 6.9)"
                              : "this kernel's tables have no owner (Linux 5.12)",
                          owner_alone ? "set kernel.on_exit: remove"
                                      : "use a newer kernel, or forward by the proxy"});
    return;
  }
  const size_t before = obstacles->size();
  FindMissing(trial, socket->get(), obstacles);
  if (obstacles->size() > before) return;
  obstacles->push_back({true, absl::StrCat("the kernel refuses the rules: ", status.message()),
                        "forward by the proxy, and report this"});
}

}  // namespace

std::vector<Obstacle> FindForwardingOff(const Ruleset& rules) {
  std::vector<Obstacle> obstacles;
  const auto forwards = [&](const char* digit, const char* sysctl, const char* name) {
    const bool wanted = rules.sets.contains(absl::StrCat("ours", digit)) ||
                        rules.sets.contains(absl::StrCat("any-ours", digit));
    if (!wanted || ReadSysctl(sysctl) == "1") return;
    std::string command = absl::StrCat("net/", sysctl, "=1");
    std::replace(command.begin(), command.end(), '/', '.');
    obstacles.push_back({true, absl::StrCat("this machine does not forward ", name),
                         absl::StrCat("run: sysctl -w ", command,
                                      " (it makes the machine a router; see its firewall first)")});
  };
  forwards("4", "ipv4/ip_forward", "IPv4");
  forwards("6", "ipv6/conf/all/forwarding", "IPv6");
  return obstacles;
}

std::vector<Obstacle> FindObstacles(const Ruleset& rules, bool keep) {
  std::vector<Obstacle> obstacles;
  AskTheKernel(rules, keep, &obstacles);
  for (Obstacle& obstacle : FindForwardingOff(rules)) obstacles.push_back(std::move(obstacle));
  for (const Counting& counting : kCountings) {
    if (ReadSysctl(counting.sysctl) == "1") continue;
    std::string command = absl::StrCat("net/", counting.sysctl, "=1");
    std::replace(command.begin(), command.end(), '/', '.');
    obstacles.push_back({false, counting.unknown, absl::StrCat("run: sysctl -w ", command)});
  }
  return obstacles;
}

absl::Status CanForward(const Ruleset& rules, bool keep, uint32_t own_port) {
  std::vector<std::string> blocks;
  for (const Obstacle& obstacle : FindObstacles(rules, keep)) {
    if (obstacle.blocks) blocks.push_back(absl::StrCat(obstacle.what, "; ", obstacle.remedy));
  }
  if (!blocks.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat("the kernel cannot forward: ", absl::StrJoin(blocks, "; also: ")));
  }
  const auto socket = NetfilterSocket::Open();
  if (!socket.ok()) return socket.status();
  return FindFreeTable(rules.table, socket->get(), own_port).status();
}

bool TurnAccountingOn() {
  bool all = true;
  for (const Counting& counting : kCountings) {
    if (ReadSysctl(counting.sysctl) == "1") continue;
    all = WriteSysctl(counting.sysctl, '1') && all;
  }
  return all;
}

std::vector<std::string> FindForwardDrops(const std::string& own_table) {
  std::vector<std::string> drops;
  const auto socket = NetfilterSocket::Open();
  if (!socket.ok()) return drops;
  netlink::Writer question;
  question.Begin(NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETCHAIN, NLM_F_DUMP, AF_UNSPEC);
  (*socket)
      ->Ask(&question,
            [&](const netlink::Message& message) {
              const auto payload = netlink::ReadNetfilter(message.payload);
              if (!payload) return;
              const netlink::Attributes& chain = payload->attributes;
              const auto hook = chain.Nested(NFTA_CHAIN_HOOK).U32(NFTA_HOOK_HOOKNUM);
              const absl::string_view table = chain.Text(NFTA_CHAIN_TABLE);
              const bool is_ip = payload->family == NFPROTO_INET ||
                                 payload->family == NFPROTO_IPV4 || payload->family == NFPROTO_IPV6;
              if (!is_ip || hook != NF_INET_FORWARD || table == own_table ||
                  chain.U32(NFTA_CHAIN_POLICY) != NF_DROP) {
                return;
              }
              const absl::string_view family = payload->family == NFPROTO_INET   ? "inet"
                                               : payload->family == NFPROTO_IPV4 ? "ip"
                                                                                 : "ip6";
              drops.push_back(absl::StrCat("chain ", chain.Text(NFTA_CHAIN_NAME), " of table ",
                                           family, " ", table));
            })
      .IgnoreError();
  return drops;
}

}  // namespace tlsbridge::kernel
