// Refusals by policy are folded by client: nobody who was refused goes unnamed, and nobody makes
// the log grow without bound.

#include "router/log/refusal_folder.h"

#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace tlsbridge {
namespace {

using Scope = RefusalFolder::Scope;

class RefusalFolderTest : public ::testing::Test {
 protected:
  // How many of these are written. `client` is a number, whose thousands are its block.
  int Written(int client, int refusals, const std::string& subject = "",
              const std::string& what = "denied", const std::string& route = "orders") {
    int written = 0;
    for (int i = 0; i < refusals; ++i) {
      written += folder_.ShouldWrite({.what = what,
                                      .route = route,
                                      .client = std::to_string(client),
                                      .block = absl::StrCat("block ", client / 1000),
                                      .subject = subject},
                                     now_)
                     ? 1
                     : 0;
    }
    return written;
  }

  // What is logged once the minute is over.
  std::map<std::string, int64_t> Flush() {
    now_ += RefusalFolder::kWindow;
    std::map<std::string, int64_t> logged;
    folder_.Flush(now_, [&logged](const RefusalFolder::Refusal& who, Scope how, int64_t more) {
      constexpr const char* kHow[] = {"", "+", "#", "~"};
      logged[absl::StrCat(who.what == "denied" ? "" : who.what + ":", who.client,
                          who.subject.empty() ? "" : "=" + who.subject,
                          kHow[static_cast<int>(how)])] = more;
    });
    EXPECT_EQ(folder_.next_flush(), absl::InfiniteFuture()) << "nothing is kept";
    return logged;
  }

  absl::Time now_ = absl::UnixEpoch();
  RefusalFolder folder_;
};

TEST_F(RefusalFolderTest, WritesTheFirstFewAndTellsOfTheRestByClient) {
  EXPECT_EQ(Written(1, 219), 5);
  EXPECT_EQ(Flush(), (std::map<std::string, int64_t>{{"1", 214}}));
}

TEST_F(RefusalFolderTest, AClientAmongAFloodIsWrittenAtOnceAndItsCountTold) {
  Written(1, 100000);
  EXPECT_EQ(Written(2, 1), 1);
  EXPECT_EQ(Written(2, 3), 0);
  EXPECT_EQ(Flush(), (std::map<std::string, int64_t>{{"1", 99995}, {"2", 3}}));
}

TEST_F(RefusalFolderTest, TwoCertificatesFromOneAddressAreTwoClients) {
  EXPECT_EQ(Written(1, 10, "CN=alice", "revoked"), 5);
  EXPECT_EQ(Written(1, 10, "CN=bob", "revoked"), 1);
  EXPECT_EQ(Flush(),
            (std::map<std::string, int64_t>{{"revoked:1=CN=alice", 5}, {"revoked:1=CN=bob", 9}}));
}

TEST_F(RefusalFolderTest, EachRouteTellsOfItsOwn) {
  EXPECT_EQ(Written(1, 100, "", "denied", "orders"), 5);
  EXPECT_EQ(Written(1, 4, "", "denied", "billing"), 4);
}

TEST_F(RefusalFolderTest, OneAddressCannotUseUpTheRoomWithCertificatesOfItsOwnMaking) {
  for (int i = 0; i < 10000; ++i) Written(1, 1, absl::StrCat("CN=", i), "untrusted");
  EXPECT_EQ(Written(2, 1, "CN=mallory", "untrusted"), 1);
  Written(2, 6, "CN=mallory", "untrusted");
  const auto logged = Flush();
  EXPECT_EQ(logged.at("untrusted:2=CN=mallory"), 6);
  EXPECT_EQ(logged.at("untrusted:1+"), 10000 - static_cast<int>(RefusalFolder::kMostSubjects) - 1)
      << "all are counted, those that were written aside";
}

TEST_F(RefusalFolderTest, BeyondTheRoomClientsAreToldByTheirBlockAndThenByNumber) {
  const int most = static_cast<int>(RefusalFolder::kMostClients);
  int written = 0;
  for (int i = 0; i < most; ++i) written += Written(i, 1);
  EXPECT_EQ(written, most);
  EXPECT_EQ(Written(7, 1), 0) << "that one is known";
  EXPECT_EQ(Written(70001, 1), 1) << "the first of its block";
  EXPECT_EQ(Written(70002, 5), 0);
  written = 0;
  for (int i = 0; i < 1000; ++i) written += Written(100000 + 1000 * i, 1);
  EXPECT_EQ(written, static_cast<int>(RefusalFolder::kMostBlocks))
      << "one block is taken, one line "
         "for all the rest";
  const auto logged = Flush();
  EXPECT_EQ(logged.at("7"), 1);
  EXPECT_EQ(logged.at("block 70#"), 5);
  EXPECT_EQ(logged.at("~"), 1000 - static_cast<int>(RefusalFolder::kMostBlocks));
}

TEST_F(RefusalFolderTest, AFloodOfOneKindTakesNoRoomOfAnother) {
  for (int i = 0; i < 100000; ++i) Written(i, 1, "", "untrusted");
  EXPECT_EQ(Written(5, 1, "CN=alice", "revoked"), 1);
  EXPECT_EQ(Written(6, 20, "CN=bob", "revoked"), 4);
  EXPECT_EQ(Flush().at("revoked:6=CN=bob"), 16);
}

TEST_F(RefusalFolderTest, ItsMinuteBeginsWithItsFirstRefusal) {
  EXPECT_EQ(folder_.next_flush(), absl::InfiniteFuture());
  Written(1, 10);
  const absl::Time ends = now_ + RefusalFolder::kWindow;
  now_ += absl::Seconds(10);
  Written(1, 10, "", "revoked");
  EXPECT_EQ(folder_.next_flush(), ends);
  int logged = 0;
  folder_.Flush(ends, [&logged](const auto&, Scope, int64_t) { ++logged; });
  EXPECT_EQ(logged, 1);
  EXPECT_EQ(folder_.next_flush(), ends + absl::Seconds(10));
}

}  // namespace
}  // namespace tlsbridge
