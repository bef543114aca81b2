// What systemd's variables say.

#include "router/handover/listen_fds.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tlsbridge {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string> Names(absl::string_view pid, absl::string_view fds,
                               absl::string_view names) {
  const auto found = ParseListenFds(pid, fds, names, 7);
  EXPECT_TRUE(found.ok()) << found.status();
  return found.ok() ? found->names : std::vector<std::string>{"failed"};
}

std::string WhyNot(absl::string_view pid, absl::string_view fds, absl::string_view names) {
  return std::string(ParseListenFds(pid, fds, names, 7).status().message());
}

TEST(ListenFds, EachHasItsName) {
  EXPECT_THAT(Names("7", "2", "web:admin"), ElementsAre("web", "admin"));
  EXPECT_THAT(Names("7", "2", "web:"), ElementsAre("web", ""));
}

TEST(ListenFds, NamesMayBeMissing) { EXPECT_THAT(Names("7", "2", ""), ElementsAre("", "")); }

TEST(ListenFds, ThoseOfAnotherProcessAreNotOurs) {
  EXPECT_THAT(Names("8", "2", ""), IsEmpty());
  EXPECT_THAT(Names("", "2", ""), IsEmpty());
  EXPECT_THAT(Names("", "", ""), IsEmpty());
}

TEST(ListenFds, WhatIsNoNumberIsRefused) {
  EXPECT_THAT(WhyNot("7", "some", ""), HasSubstr("LISTEN_FDS=some"));
  EXPECT_THAT(WhyNot("7", "-1", ""), HasSubstr("LISTEN_FDS=-1"));
  EXPECT_THAT(WhyNot("7", "1000000000", ""), HasSubstr("LISTEN_FDS="));
  EXPECT_THAT(WhyNot("me", "1", ""), HasSubstr("LISTEN_PID=me"));
}

TEST(ListenFds, AsManyNamesAsDescriptors) {
  EXPECT_THAT(WhyNot("7", "1", "a:b"), HasSubstr("2 names"));
}

}  // namespace
}  // namespace tlsbridge
