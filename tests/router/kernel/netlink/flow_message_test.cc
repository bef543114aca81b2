#include "router/kernel/netlink/flow_message.h"

#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <netinet/in.h>

#include <functional>
#include <vector>

#include "gtest/gtest.h"
#include "router/kernel/netlink/writer.h"

namespace tlsbridge::netlink {
namespace {

constexpr IpBytes kClient = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 7, 1, 2};
constexpr IpBytes kRouter = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 7, 1, 1};
constexpr IpBytes kBackend = {0xfd, 7, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x11};

void AddTuple(Writer* writer, uint16_t type, const IpBytes& source, uint16_t source_port,
              const IpBytes& destination, uint16_t destination_port,
              uint8_t protocol = IPPROTO_TCP) {
  const bool four = source[10] == 0xff;
  const auto add = [&](uint16_t v4, uint16_t v6, const IpBytes& address) {
    const absl::Span<const uint8_t> bytes(address);
    writer->AddBytes(four ? v4 : v6, four ? bytes.subspan(12) : bytes);
  };
  writer->Nest(type, [&] {
    writer->Nest(CTA_TUPLE_IP, [&] {
      add(CTA_IP_V4_SRC, CTA_IP_V6_SRC, source);
      add(CTA_IP_V4_DST, CTA_IP_V6_DST, destination);
    });
    writer->Nest(CTA_TUPLE_PROTO, [&] {
      writer->AddU8(CTA_PROTO_NUM, protocol);
      writer->AddU16(CTA_PROTO_SRC_PORT, source_port);
      writer->AddU16(CTA_PROTO_DST_PORT, destination_port);
    });
  });
}

std::optional<FlowMessage> Read(uint8_t type, uint16_t flags,
                                const std::function<void(Writer*)>& fill) {
  Writer writer;
  writer.Begin(static_cast<uint16_t>(NFNL_SUBSYS_CTNETLINK << 8 | type), flags, AF_INET);
  fill(&writer);
  absl::Span<const uint8_t> rest = writer.Finish();
  Message message;
  if (!TakeMessage(&rest, &message)) return std::nullopt;
  return ReadFlow(message);
}

void AddTuples(Writer* writer) {
  AddTuple(writer, CTA_TUPLE_ORIG, kClient, 4000, kRouter, 443);
  AddTuple(writer, CTA_TUPLE_REPLY, kBackend, 9000, kBackend, 4000);
  writer->AddU32(CTA_ID, 77);
}

TEST(NetlinkFlowTest, ReadsAllThatTheEndOfAFlowSays) {
  const auto flow = Read(IPCTNL_MSG_CT_DELETE, 0, [](Writer* writer) {
    AddTuples(writer);
    writer->Nest(CTA_PROTOINFO, [&] {
      writer->Nest(CTA_PROTOINFO_TCP, [&] {
        writer->AddU8(CTA_PROTOINFO_TCP_STATE, TCP_CONNTRACK_TIME_WAIT);
        writer->AddU16(CTA_PROTOINFO_TCP_FLAGS_ORIGINAL, IP_CT_TCP_FLAG_CLOSE_INIT << 8);
        writer->AddU16(CTA_PROTOINFO_TCP_FLAGS_REPLY, IP_CT_TCP_FLAG_SACK_PERM << 8);
      });
    });
    const auto counters = [&](uint16_t type, uint64_t packets, uint64_t bytes) {
      writer->Nest(type, [&] {
        writer->AddU64(CTA_COUNTERS_PACKETS, packets);
        writer->AddU64(CTA_COUNTERS_BYTES, bytes);
      });
    };
    counters(CTA_COUNTERS_ORIG, 5, 1320);
    counters(CTA_COUNTERS_REPLY, 4, 1286);
    writer->Nest(CTA_TIMESTAMP, [&] {
      writer->AddU64(CTA_TIMESTAMP_START, 100);
      writer->AddU64(CTA_TIMESTAMP_STOP, 900);
    });
  });
  ASSERT_TRUE(flow.has_value());
  EXPECT_EQ(flow->kind, FlowMessage::Kind::kDestroy);
  EXPECT_EQ(flow->id, 77U);
  EXPECT_EQ(flow->original, (FlowTuple{kClient, kRouter, 4000, 443}));
  EXPECT_EQ(flow->reply, (FlowTuple{kBackend, kBackend, 9000, 4000}));
  EXPECT_EQ(flow->tcp_state, TCP_CONNTRACK_TIME_WAIT);
  EXPECT_EQ(flow->client_flags, IP_CT_TCP_FLAG_CLOSE_INIT);
  EXPECT_EQ(flow->backend_flags, IP_CT_TCP_FLAG_SACK_PERM);
  EXPECT_EQ(flow->client_bytes, (FlowCounters{5, 1320}));
  EXPECT_EQ(flow->backend_bytes, (FlowCounters{4, 1286}));
  EXPECT_EQ(flow->started, 100U);
  EXPECT_EQ(flow->stopped, 900U);
}

TEST(NetlinkFlowTest, TellsANewFlowAndADumpFromNewsOfAnOldOne) {
  EXPECT_EQ(Read(IPCTNL_MSG_CT_NEW, NLM_F_CREATE | NLM_F_EXCL, AddTuples)->kind,
            FlowMessage::Kind::kNew);
  EXPECT_EQ(Read(IPCTNL_MSG_CT_NEW, NLM_F_MULTI, AddTuples)->kind, FlowMessage::Kind::kNew);
  EXPECT_EQ(Read(IPCTNL_MSG_CT_NEW, 0, AddTuples)->kind, FlowMessage::Kind::kUpdate);
}

TEST(NetlinkFlowTest, WhatIsNotCountedIsNotZero) {
  const auto flow = Read(IPCTNL_MSG_CT_DELETE, 0, AddTuples);
  ASSERT_TRUE(flow.has_value());
  EXPECT_FALSE(flow->client_bytes.has_value());
  EXPECT_FALSE(flow->backend_bytes.has_value());
  EXPECT_FALSE(flow->started.has_value());
  EXPECT_FALSE(flow->tcp_state.has_value());
}

TEST(NetlinkFlowTest, OtherProtocolsAndFlowsWithoutANumberAreNone) {
  EXPECT_FALSE(Read(IPCTNL_MSG_CT_NEW, 0, [](Writer* writer) {
                 AddTuple(writer, CTA_TUPLE_ORIG, kClient, 1, kRouter, 2, IPPROTO_UDP);
                 AddTuple(writer, CTA_TUPLE_REPLY, kRouter, 2, kClient, 1, IPPROTO_UDP);
                 writer->AddU32(CTA_ID, 1);
               }).has_value());
  EXPECT_FALSE(Read(IPCTNL_MSG_CT_NEW, 0, [](Writer* writer) {
                 AddTuple(writer, CTA_TUPLE_ORIG, kClient, 1, kRouter, 2);
                 AddTuple(writer, CTA_TUPLE_REPLY, kRouter, 2, kClient, 1);
               }).has_value());
  EXPECT_FALSE(Read(IPCTNL_MSG_CT_GET, 0, AddTuples).has_value());
}

}  // namespace
}  // namespace tlsbridge::netlink
