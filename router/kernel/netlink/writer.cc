#include "router/kernel/netlink/writer.h"

#include <arpa/inet.h>
#include <endian.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <stddef.h>
#include <string.h>

namespace tlsbridge::netlink {
namespace {

template <typename T>
absl::Span<const uint8_t> BytesOf(const T& value) {
  return {reinterpret_cast<const uint8_t*>(&value), sizeof(value)};
}

}  // namespace

uint32_t Writer::Begin(uint16_t type, uint16_t flags, uint8_t family, uint16_t resource) {
  EndMessage();
  message_ = bytes_.size();
  nlmsghdr header = {};
  header.nlmsg_type = type;
  header.nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | flags);
  header.nlmsg_seq = ++sequence_;
  nfgenmsg netfilter = {};
  netfilter.nfgen_family = family;
  netfilter.version = NFNETLINK_V0;
  netfilter.res_id = htons(resource);
  const auto header_bytes = BytesOf(header);
  const auto netfilter_bytes = BytesOf(netfilter);
  bytes_.insert(bytes_.end(), header_bytes.begin(), header_bytes.end());
  bytes_.insert(bytes_.end(), netfilter_bytes.begin(), netfilter_bytes.end());
  return sequence_;
}

void Writer::AddBytes(uint16_t type, absl::Span<const uint8_t> bytes) {
  uint8_t* const value = AddRoom(type, bytes.size());
  if (!bytes.empty()) memcpy(value, bytes.data(), bytes.size());
}

void Writer::AddString(uint16_t type, absl::string_view text) {
  uint8_t* const value = AddRoom(type, text.size() + 1);
  if (!text.empty()) memcpy(value, text.data(), text.size());
}

void Writer::AddU8(uint16_t type, uint8_t value) { AddBytes(type, BytesOf(value)); }

void Writer::AddU16(uint16_t type, uint16_t value) {
  value = htobe16(value);
  AddBytes(type, BytesOf(value));
}

void Writer::AddU32(uint16_t type, uint32_t value) {
  value = htobe32(value);
  AddBytes(type, BytesOf(value));
}

void Writer::AddU64(uint16_t type, uint64_t value) {
  value = htobe64(value);
  AddBytes(type, BytesOf(value));
}

size_t Writer::OpenNest(uint16_t type) {
  const size_t start = bytes_.size();
  AddBytes(static_cast<uint16_t>(type | NLA_F_NESTED), {});
  return start;
}

void Writer::CloseNest(size_t start) { PutLength(start, bytes_.size() - start); }

void Writer::AddFlags(uint16_t flags) {
  if (bytes_.empty()) return;
  nlmsghdr header;
  memcpy(&header, &bytes_[message_], sizeof(header));
  header.nlmsg_flags = static_cast<uint16_t>(header.nlmsg_flags | flags);
  memcpy(&bytes_[message_], &header, sizeof(header));
}

absl::Span<const uint8_t> Writer::Finish() {
  EndMessage();
  return bytes_;
}

uint8_t* Writer::AddRoom(uint16_t type, size_t value_bytes) {
  const size_t start = bytes_.size();
  const size_t length = NLA_HDRLEN + value_bytes;
  bytes_.resize(start + NLA_ALIGN(length));
  memcpy(&bytes_[start + offsetof(nlattr, nla_type)], &type, sizeof(type));
  PutLength(start, length);
  return bytes_.data() + start + NLA_HDRLEN;
}

void Writer::EndMessage() {
  if (bytes_.empty()) return;
  const auto length = static_cast<uint32_t>(bytes_.size() - message_);
  memcpy(&bytes_[message_], &length, sizeof(length));
}

void Writer::PutLength(size_t attribute, size_t length) {
  if (length > UINT16_MAX) overflowed_ = true;
  const auto short_length = static_cast<uint16_t>(length);
  memcpy(&bytes_[attribute], &short_length, sizeof(short_length));
}

}  // namespace tlsbridge::netlink
