#include "tls/tickets/ticket_secrets.h"

#include <fstream>
#include <string>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"

namespace tlsbridge::tls {
namespace {

using Mode = TicketOptions::Mode;

class TicketSecretsTest : public ::testing::Test {
 protected:
  std::string File(const std::string& text) {
    const std::string path = ::testing::TempDir() + "ticket_secrets_test.key";
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }
  auto Create(Mode mode, const std::string& text, absl::Duration period = absl::Hours(12)) {
    return TicketSecrets::Create(
        {mode, File(text), period},
        {.wall = [this] { return wall_; }, .monotonic = [this] { return now_; }});
  }
  std::string Error(Mode mode, const std::string& text) {
    const std::string message(Create(mode, text).status().message());
    return message.substr(message.find("ticket_secrets_test.key"));
  }
  static std::string Line(char fill, size_t bytes = 48) {
    return absl::Base64Escape(std::string(bytes, fill)) + "\n";
  }

  absl::Time now_ = absl::FromUnixSeconds(1'700'000'000);
  absl::Time wall_ = absl::FromUnixSeconds(1'700'000'000);
};

TEST_F(TicketSecretsTest, AFileMayHaveCommentsEmptyLinesAndKeysAsOthersMakeThem) {
  const auto made =
      Create(Mode::kFile, "# new\n\n" + Line('a', 48) + Line('b', 80) + Line('c', 32));
  ASSERT_TRUE(made.ok()) << made.status();
  const TicketSecrets::Snapshot snapshot = (*made)->Take(now_);
  ASSERT_EQ(snapshot.secrets.size(), 3u);
  EXPECT_FALSE(snapshot.secrets[0].old);
  EXPECT_TRUE(snapshot.secrets[1].old);
  EXPECT_TRUE(snapshot.secrets[2].old);
  EXPECT_NE(snapshot.secrets[0].bytes, snapshot.secrets[1].bytes);
}

TEST_F(TicketSecretsTest, SaysWhereAFileIsWrongWithoutQuotingIt) {
  EXPECT_EQ(Error(Mode::kFile, "\n#\n"), "ticket_secrets_test.key: holds no key");
  EXPECT_EQ(Error(Mode::kFile, "#\n!secret!\n"), "ticket_secrets_test.key:2: is not base64");
  EXPECT_EQ(Error(Mode::kFile, Line('a') + Line('b', 31)),
            "ticket_secrets_test.key:2: a ticket key of 31 bytes; it must have 32 to 256");
  EXPECT_EQ(Error(Mode::kFile, Line('a', 257)),
            "ticket_secrets_test.key:1: a ticket key of 257 bytes; it must have 32 to 256");
  std::string nine;
  for (char c = 'a'; c < 'a' + 9; ++c) nine += Line(c);
  EXPECT_EQ(Error(Mode::kFile, nine), "ticket_secrets_test.key: holds 9 keys; the maximum is 8");
  EXPECT_EQ(Error(Mode::kShared, std::string(31, 's') + " \n\n"),
            "ticket_secrets_test.key: a shared secret of 31 bytes; the minimum is 32");
}

TEST_F(TicketSecretsTest, AMissingFileIsNamed) {
  const auto made = TicketSecrets::Create({Mode::kShared, "/nowhere/secret"}, {});
  EXPECT_EQ(
      made.status().message(),
      "/nowhere/secret: cannot be read: No such file or directory; create it, or correct the path");
}

TEST_F(TicketSecretsTest, APeriodThatNoTicketMayLiveIsRefused) {
  EXPECT_EQ(Create(Mode::kRandom, "", absl::Hours(169)).status().message(),
            "a ticket period of 169h is not between 1m and 168h (RFC 8446 section 4.6.1)");
  EXPECT_FALSE(Create(Mode::kRandom, "", absl::Seconds(59)).ok());
  EXPECT_TRUE(Create(Mode::kRandom, "", absl::Hours(168)).ok());
}

TEST_F(TicketSecretsTest, ReplicasAgreeAtEveryMomentAndWhiteSpaceAtTheEndDoesNotMatter) {
  const auto one = Create(Mode::kShared, std::string(32, 's'));
  const auto other = Create(Mode::kShared, std::string(32, 's') + "\n");
  const auto stranger = Create(Mode::kShared, std::string(32, 't'));
  for (int minutes = 0; minutes < 3000; minutes += 7) {
    const absl::Time now = now_ + absl::Minutes(minutes);
    const auto mine = (*one)->Take(now);
    EXPECT_LE(mine.from, now);
    EXPECT_GT(mine.until, now);
    ASSERT_EQ(mine.secrets.size(), 3u);
    EXPECT_EQ(mine.secrets[0].bytes, (*other)->Take(now).secrets[0].bytes);
    EXPECT_NE(mine.secrets[0].bytes, (*stranger)->Take(now).secrets[0].bytes);
  }
}

TEST_F(TicketSecretsTest, ASharedSecretOfOnePeriodIsThatOfItsNeighbours) {
  const auto made = Create(Mode::kShared, std::string(32, 's'));
  const auto today = (*made)->Take(now_);
  const auto later = (*made)->Take(now_ + absl::Hours(12));
  EXPECT_EQ(today.until, later.from);
  EXPECT_EQ(today.secrets[0].bytes, later.secrets[1].bytes);
  EXPECT_EQ(today.secrets[2].bytes, later.secrets[0].bytes);
  EXPECT_TRUE(later.secrets[1].old);
  EXPECT_FALSE(today.secrets[2].old) << "a ticket from a faster clock needs no renewal";
}

TEST_F(TicketSecretsTest, ReplicasOfAnotherPeriodShareNoSecret) {
  const auto one = Create(Mode::kShared, std::string(32, 's'), absl::Hours(12));
  const auto other = Create(Mode::kShared, std::string(32, 's'), absl::Hours(6));
  // The same number of periods since 1970.
  EXPECT_NE((*one)->Take(absl::UnixEpoch() + absl::Hours(24)).secrets[0].bytes,
            (*other)->Take(absl::UnixEpoch() + absl::Hours(12)).secrets[0].bytes);
}

TEST_F(TicketSecretsTest, ARandomSecretIsReplacedEveryPeriodAndKeptForOneMore) {
  const auto made = Create(Mode::kRandom, "");
  const auto first = (*made)->Take(now_);
  ASSERT_EQ(first.secrets.size(), 1u);
  EXPECT_EQ((*made)->Take(first.until - absl::Nanoseconds(1)).secrets[0].bytes,
            first.secrets[0].bytes);
  const auto second = (*made)->Take(first.until);
  ASSERT_EQ(second.secrets.size(), 2u);
  EXPECT_NE(second.secrets[0].bytes, first.secrets[0].bytes);
  EXPECT_EQ(second.secrets[1].bytes, first.secrets[0].bytes);
  const auto third = (*made)->Take(second.until);
  ASSERT_EQ(third.secrets.size(), 2u);
  EXPECT_EQ(third.secrets[1].bytes, second.secrets[0].bytes);
}

TEST_F(TicketSecretsTest, ARandomSecretThatWasNotUsedForTwoPeriodsIsGone) {
  const auto made = Create(Mode::kRandom, "");
  const auto first = (*made)->Take(now_);
  EXPECT_EQ((*made)->Take(first.until + absl::Hours(12)).secrets.size(), 1u);
}

TEST_F(TicketSecretsTest, ARandomSecretIsReplacedWhateverTheTimeOfDayWas) {
  wall_ = absl::FromCivil(absl::CivilYear(2099), absl::UTCTimeZone());
  const auto made = Create(Mode::kRandom, "");
  const auto first = (*made)->Take((*made)->Now());
  wall_ = absl::FromCivil(absl::CivilYear(2026), absl::UTCTimeZone());  // somebody set the clock
  now_ += absl::Hours(12);
  const auto second = (*made)->Take((*made)->Now());
  EXPECT_NE(second.secrets[0].bytes, first.secrets[0].bytes);
}

TEST_F(TicketSecretsTest, ASharedSecretGoesByTheTimeOfDay) {
  const auto made = Create(Mode::kShared, std::string(32, 's'));
  now_ += absl::Hours(12);
  EXPECT_EQ((*made)->Now(), wall_);
}

TEST_F(TicketSecretsTest, OfAFileThatHasChangedAreTakenOver) {
  const auto made = Create(Mode::kFile, Line('a'));
  const auto before = (*made)->Take(now_);
  const auto renewed = Create(Mode::kFile, Line('b') + Line('a'));
  ASSERT_TRUE(renewed.ok());
  EXPECT_EQ((*made)->Take(now_).secrets[0].bytes, before.secrets[0].bytes);
  EXPECT_EQ((*made)->generation(), before.generation);
  (*made)->TakeOver(**renewed);
  EXPECT_NE((*made)->generation(), before.generation);
  const auto after = (*made)->Take(now_);
  ASSERT_EQ(after.secrets.size(), 2u);
  EXPECT_EQ(after.secrets[0].bytes, (*renewed)->Take(now_).secrets[0].bytes);
  EXPECT_EQ(after.secrets[1].bytes, before.secrets[0].bytes);
}

TEST_F(TicketSecretsTest, AnotherProcessGoesOnWithRandomOnesAndReplacesThemWhenTheyAreDue) {
  const auto before = Create(Mode::kRandom, "");
  (*before)->Take(now_);
  now_ += absl::Hours(13);  // one is replaced
  const TicketSecrets::Snapshot was = (*before)->Take(now_);
  ASSERT_EQ(was.secrets.size(), 2u);
  now_ += absl::Hours(2);
  const TicketSecrets::Random random = (*before)->ExportRandom();
  EXPECT_EQ(random.rotates_in, absl::Hours(10));
  now_ += absl::Hours(1000);  // its clock is another one
  const auto after = Create(Mode::kRandom, "");
  (*after)->ImportRandom(random);
  const TicketSecrets::Snapshot is = (*after)->Take(now_);
  ASSERT_EQ(is.secrets.size(), 2u);
  EXPECT_EQ(is.secrets[0].bytes, was.secrets[0].bytes);
  EXPECT_EQ(is.secrets[1].bytes, was.secrets[1].bytes);
  EXPECT_TRUE(is.secrets[1].old);
  EXPECT_EQ(is.until, now_ + absl::Hours(10));
}

TEST_F(TicketSecretsTest, SecretsThatAFileHasAreNotHandedOver) {
  const auto of_file = Create(Mode::kFile, Line('a'));
  EXPECT_TRUE((*of_file)->ExportRandom().secrets.empty());
  TicketSecrets::Random random;
  random.secrets.resize(1);
  random.rotates_in = absl::Hours(1);
  const TicketSecrets::Snapshot was = (*of_file)->Take(now_);
  (*of_file)->ImportRandom(random);
  EXPECT_EQ((*of_file)->Take(now_).secrets[0].bytes, was.secrets[0].bytes);
}

}  // namespace
}  // namespace tlsbridge::tls
