#include "router/kernel/kernel_table.h"

#include <arpa/inet.h>  // before the kernel's headers, which then leave out what it has
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include <utility>

#include "absl/strings/str_cat.h"

namespace tlsbridge::kernel {
namespace {

// The difference from no rules to none is a table that is empty.
Ruleset Empty(std::string table) {
  Ruleset rules;
  rules.table = std::move(table);
  return rules;
}

// In enum nft_table_attributes, which older headers end before it.
constexpr uint16_t kTableOwner = NFTA_TABLE_USERDATA + 1;

}  // namespace

absl::StatusOr<TableStatus> FindTable(const std::string& name, NetfilterSocket* socket) {
  netlink::Writer question;
  question.Begin(NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETTABLE, 0, NFPROTO_INET);
  question.AddString(NFTA_TABLE_NAME, name);
  TableStatus found;
  absl::Status status = socket->Ask(&question, [&](const netlink::Message& message) {
    const auto payload = netlink::ReadNetfilter(message.payload);
    if (!payload) return;
    found.exists = true;
    found.owner = payload->attributes.U32(kTableOwner).value_or(0);
  });
  if (absl::IsNotFound(status)) return TableStatus();
  if (!status.ok()) return status;
  return found;
}

absl::StatusOr<TableStatus> FindFreeTable(const std::string& name, NetfilterSocket* socket,
                                          uint32_t own_port) {
  absl::StatusOr<TableStatus> found = FindTable(name, socket);
  if (!found.ok() || found->owner == 0 || found->owner == own_port) return found;
  return absl::AlreadyExistsError(
      absl::StrCat("table '", name, "' belongs to a running process (netlink port ", found->owner,
                   "); stop it, or give this one another table"));
}

absl::StatusOr<std::unique_ptr<KernelTable>> KernelTable::Create(Ruleset rules, Options options) {
  absl::StatusOr<std::unique_ptr<NetfilterSocket>> socket = NetfilterSocket::Open();
  if (!socket.ok()) return socket.status();
  return TakeOver(*std::move(socket), std::move(rules), options);
}

absl::StatusOr<std::unique_ptr<KernelTable>> KernelTable::TakeOver(
    std::unique_ptr<NetfilterSocket> socket, Ruleset rules, Options options) {
  socket->Discard();
  const std::string name = rules.table;
  absl::StatusOr<TableStatus> found = FindFreeTable(name, socket.get(), socket->port());
  if (!found.ok()) return found.status();
  std::unique_ptr<KernelTable> table(
      new KernelTable(std::move(socket), kOwner | (options.keep ? kPersist : 0), name));
  table->exists_ = found->exists;
  if (absl::Status status = table->Write(std::move(rules)); !status.ok()) return status;
  return table;
}

KernelTable::KernelTable(std::unique_ptr<NetfilterSocket> socket, uint32_t flags, std::string table)
    : socket_(std::move(socket)), flags_(flags), rules_(Empty(std::move(table))) {}

void KernelTable::Distrust() {
  socket_->Discard();
  trusted_ = false;
}

absl::Status KernelTable::Write(Ruleset rules) {
  Batch batch = FullBatch(rules, flags_, exists_);
  if (absl::Status status = socket_->Commit(&batch); !status.ok()) return status;
  exists_ = true;
  trusted_ = true;
  rules_ = std::move(rules);
  return absl::OkStatus();
}

absl::Status KernelTable::Check(const Ruleset& rules) {
  if (exists_ && trusted_) {
    Batch difference = DifferenceBatch(rules_, rules);
    if (socket_->Try(&difference).ok()) return absl::OkStatus();
  }
  Batch whole = FullBatch(rules, flags_, exists_);
  return socket_->Try(&whole);
}

absl::Status KernelTable::Apply(Ruleset rules) {
  if (!exists_) return Write(std::move(rules));
  if (!trusted_) return Rewrite(std::move(rules));
  Batch batch = DifferenceBatch(rules_, rules);
  if (socket_->Commit(&batch).ok()) {
    rules_ = std::move(rules);
    return absl::OkStatus();
  }
  return Rewrite(std::move(rules));
}

absl::Status KernelTable::Apply(const RulesetChange& change) {
  Batch batch = DifferenceBatch(change.from, change.to);
  const bool changed = exists_ && trusted_ && socket_->Commit(&batch).ok();
  if (changed) {
    ApplyChange(change, &rules_);
    return absl::OkStatus();
  }
  Ruleset whole = rules_;
  ApplyChange(change, &whole);
  return Rewrite(std::move(whole));
}

absl::Status KernelTable::Rewrite(Ruleset rules) {
  // Somebody may have removed the table; only the kernel knows.
  absl::StatusOr<TableStatus> found = FindTable(rules.table, socket_.get());
  if (!found.ok()) return found.status();
  exists_ = found->exists;
  ++rewrites_;
  return Write(std::move(rules));
}

absl::Status KernelTable::Remove() {
  if (!exists_) return absl::OkStatus();
  Batch batch(rules_.table);
  batch.DeleteTable();
  absl::Status status = socket_->Commit(&batch);
  if (!status.ok() && !absl::IsNotFound(status)) return status;
  exists_ = false;
  rules_ = Empty(rules_.table);
  return absl::OkStatus();
}

}  // namespace tlsbridge::kernel
