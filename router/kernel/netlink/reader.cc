#include "router/kernel/netlink/reader.h"

#include <arpa/inet.h>
#include <endian.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <stddef.h>
#include <string.h>

#include <algorithm>

namespace tlsbridge::netlink {
namespace {

using Bytes = absl::Span<const uint8_t>;

template <typename T>
std::optional<T> ReadAs(const std::optional<Bytes>& bytes) {
  T value;
  if (!bytes || bytes->size() != sizeof(value)) return std::nullopt;
  memcpy(&value, bytes->data(), sizeof(value));
  return value;
}

}  // namespace

bool TakeMessage(Bytes* bytes, Message* message) {
  nlmsghdr header;
  if (bytes->size() < NLMSG_HDRLEN) return false;
  memcpy(&header, bytes->data(), sizeof(header));
  if (header.nlmsg_len < NLMSG_HDRLEN || header.nlmsg_len > bytes->size()) return false;
  message->type = header.nlmsg_type;
  message->flags = header.nlmsg_flags;
  message->sequence = header.nlmsg_seq;
  message->payload = bytes->subspan(NLMSG_HDRLEN, header.nlmsg_len - NLMSG_HDRLEN);
  bytes->remove_prefix(std::min<size_t>(NLMSG_ALIGN(size_t{header.nlmsg_len}), bytes->size()));
  return true;
}

bool Attributes::Take(uint16_t* type, Bytes* value) {
  nlattr header;
  if (bytes_.size() < NLA_HDRLEN) return false;
  memcpy(&header, bytes_.data(), sizeof(header));
  if (header.nla_len < NLA_HDRLEN || header.nla_len > bytes_.size()) return false;
  *type = header.nla_type & NLA_TYPE_MASK;
  *value = bytes_.subspan(NLA_HDRLEN, header.nla_len - NLA_HDRLEN);
  bytes_.remove_prefix(std::min<size_t>(NLA_ALIGN(size_t{header.nla_len}), bytes_.size()));
  return true;
}

std::optional<Bytes> Attributes::Find(uint16_t type) const {
  Attributes rest = *this;
  uint16_t found = 0;
  Bytes value;
  while (rest.Take(&found, &value)) {
    if (found == type) return value;
  }
  return std::nullopt;
}

std::optional<uint8_t> Attributes::U8(uint16_t type) const { return ReadAs<uint8_t>(Find(type)); }

std::optional<uint16_t> Attributes::U16(uint16_t type) const {
  const auto value = ReadAs<uint16_t>(Find(type));
  return value ? std::optional<uint16_t>(be16toh(*value)) : std::nullopt;
}

std::optional<uint32_t> Attributes::U32(uint16_t type) const {
  const auto value = ReadAs<uint32_t>(Find(type));
  return value ? std::optional<uint32_t>(be32toh(*value)) : std::nullopt;
}

std::optional<uint64_t> Attributes::U64(uint16_t type) const {
  const auto value = ReadAs<uint64_t>(Find(type));
  return value ? std::optional<uint64_t>(be64toh(*value)) : std::nullopt;
}

absl::string_view Attributes::Text(uint16_t type) const {
  const Bytes value = Find(type).value_or(Bytes());
  const absl::string_view text(reinterpret_cast<const char*>(value.data()), value.size());
  return text.substr(0, text.find('\0'));
}

Attributes Attributes::Nested(uint16_t type) const {
  return Attributes(Find(type).value_or(Bytes()));
}

std::optional<NetfilterPayload> ReadNetfilter(Bytes payload) {
  nfgenmsg header;
  if (payload.size() < sizeof(header)) return std::nullopt;
  memcpy(&header, payload.data(), sizeof(header));
  payload.remove_prefix(std::min<size_t>(NLMSG_ALIGN(sizeof(header)), payload.size()));
  return NetfilterPayload{header.nfgen_family, ntohs(header.res_id), Attributes(payload)};
}

}  // namespace tlsbridge::netlink
