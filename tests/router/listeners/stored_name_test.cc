// Names by which sockets are stored.

#include "router/listeners/stored_name.h"

#include <string>

#include "gtest/gtest.h"

namespace tlsbridge {
namespace {

using Use = InheritedSockets::Use;

SocketAddress At(const std::string& text) { return *SocketAddress::Parse(text); }

TEST(StoredName, ComesBackAsItWasAndIsOneThatSystemdTakes) {
  for (const auto& [wanted, bound] :
       {std::pair("127.0.0.1:0", "127.0.0.1:4711"), std::pair("[::1]:443", "[::1]:443"),
        std::pair("unix:/run/a b=c:%.sock", "unix:/run/a b=c:%.sock"),
        std::pair("unix:@abstract", "unix:@abstract")}) {
    for (const Use use : {Use::kListener, Use::kAdmin}) {
      const std::string name = StoredName{use, At(wanted), At(bound)}.ToString();
      EXPECT_EQ(name.find(':'), std::string::npos) << name;
      EXPECT_EQ(name.find(' '), std::string::npos) << name;
      const auto parsed = ParseStoredName(name);
      ASSERT_TRUE(parsed.has_value()) << name;
      EXPECT_EQ(parsed->use, use);
      EXPECT_EQ(parsed->wanted, At(wanted));
      EXPECT_EQ(parsed->bound, At(bound));
    }
  }
}

TEST(StoredName, OneThatIsTooLongIsNone) {
  const SocketAddress long_path = At("unix:/" + std::string(100, ' '));
  EXPECT_EQ((StoredName{Use::kListener, long_path, long_path}).ToString(), "");
}

TEST(StoredName, OthersAreNotOurs) {
  for (const char* name : {"", "tlsbridge.socket", "admin", "tlsbridge-listener",
                           "tlsbridge-listener=", "tlsbridge-listener=nowhere",
                           "tlsbridge-listener=127.0.0.1%3", "tlsbridge-listener=%zz",
                           "tlsbridge-other=127.0.0.1%3A1", "tlsbridge-admin=127.0.0.1%3A1=x=y"}) {
    EXPECT_FALSE(ParseStoredName(name).has_value()) << name;
  }
}

}  // namespace
}  // namespace tlsbridge
