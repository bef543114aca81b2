// Which messages come through a socket that has the filter.
#include "router/kernel/flow_filter.h"

#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include <optional>

#include "gtest/gtest.h"
#include "router/kernel/netlink/writer.h"

namespace tlsbridge::kernel {
namespace {

class FlowFilterTest : public ::testing::Test {
 protected:
  FlowFilterTest() {
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, ends_), 0);
    const auto program = FlowFilter();
    const sock_fprog attached = {static_cast<unsigned short>(program.size()),
                                 const_cast<sock_filter*>(program.data())};
    EXPECT_EQ(setsockopt(ends_[1], SOL_SOCKET, SO_ATTACH_FILTER, &attached, sizeof(attached)), 0);
  }
  ~FlowFilterTest() override {
    close(ends_[0]);
    close(ends_[1]);
  }

  bool Passes(int type, uint16_t flags, std::optional<uint8_t> state) {
    netlink::Writer writer;
    writer.Begin(static_cast<uint16_t>(NFNL_SUBSYS_CTNETLINK << 8 | type), flags, AF_INET);
    writer.Nest(CTA_TUPLE_ORIG, [&] { writer.AddU32(1, 0x0a070102); });
    if (state) {
      writer.Nest(CTA_PROTOINFO, [&] {
        writer.Nest(CTA_PROTOINFO_TCP, [&] {
          writer.AddU16(CTA_PROTOINFO_TCP_FLAGS_ORIGINAL, 0);
          writer.AddU8(CTA_PROTOINFO_TCP_STATE, *state);
        });
      });
    }
    writer.AddU32(CTA_ID, 7);
    const auto bytes = writer.Finish();
    EXPECT_EQ(send(ends_[0], bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
    char received[1024];
    return recv(ends_[1], received, sizeof(received), 0) == static_cast<ssize_t>(bytes.size());
  }

  int ends_[2] = {-1, -1};
};

TEST_F(FlowFilterTest, OfChangesOnlyStatesThatSayMoreThanTheNextPass) {
  for (uint8_t state = TCP_CONNTRACK_NONE; state <= TCP_CONNTRACK_SYN_SENT2; ++state) {
    const bool is_between = state == TCP_CONNTRACK_SYN_RECV || state == TCP_CONNTRACK_CLOSE_WAIT ||
                            state == TCP_CONNTRACK_LAST_ACK;
    EXPECT_EQ(Passes(IPCTNL_MSG_CT_NEW, 0, state), !is_between) << int{state};
  }
}

TEST_F(FlowFilterTest, BeginningsAndEndsAndWhatHasNoStatePass) {
  EXPECT_TRUE(Passes(IPCTNL_MSG_CT_NEW, NLM_F_CREATE | NLM_F_EXCL, TCP_CONNTRACK_SYN_RECV));
  EXPECT_TRUE(Passes(IPCTNL_MSG_CT_DELETE, 0, TCP_CONNTRACK_LAST_ACK));
  EXPECT_TRUE(Passes(IPCTNL_MSG_CT_NEW, 0, std::nullopt));
}

}  // namespace
}  // namespace tlsbridge::kernel
