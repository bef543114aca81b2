#include "router/host/service_manager.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/router/host/listening_manager.h"
#include "tests/support/log_capture.h"

namespace tlsbridge {
namespace {

using testing::ListeningManager;

ServiceManager ManagerAt(const std::string& name) {
  setenv("NOTIFY_SOCKET", name.c_str(), 1);
  return ServiceManager::FromEnvironment();
}

class ServiceManagerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) unsetenv(name);
  }
};

TEST_F(ServiceManagerTest, TellsNobodyWhereNobodyIsNamed) {
  ServiceManager manager = ServiceManager::FromEnvironment();
  EXPECT_FALSE(manager.listens());
  EXPECT_FALSE(manager.Notify("READY=1"));
  EXPECT_TRUE(manager.Environment().empty());
}

TEST_F(ServiceManagerTest, TellsAnAbstractName) {
  ListeningManager ear;
  ServiceManager manager = ManagerAt(ear.name());
  EXPECT_TRUE(manager.Notify("READY=1\nSTATUS=ready"));
  EXPECT_EQ(ear.Next(), "READY=1\nSTATUS=ready");
}

TEST_F(ServiceManagerTest, TellsAPath) {
  const std::string path = absl::StrCat("/tmp/tlsbridge-ear-", getpid());  // short enough
  ListeningManager ear(path);
  ServiceManager manager = ManagerAt(path);
  EXPECT_TRUE(manager.Notify("STOPPING=1"));
  EXPECT_EQ(ear.Next(), "STOPPING=1");
  unlink(path.c_str());
}

TEST_F(ServiceManagerTest, ItsVariablesAreGoneForChildrenAndThereForASuccessor) {
  ListeningManager ear;
  setenv("WATCHDOG_USEC", "3000000", 1);
  setenv("WATCHDOG_PID", absl::StrCat(getpid()).c_str(), 1);
  const ServiceManager manager = ManagerAt(ear.name());
  for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) {
    EXPECT_EQ(getenv(name), nullptr) << name;
  }
  EXPECT_EQ(manager.watchdog(), absl::Seconds(3));
  const std::vector<std::string> expected = {"NOTIFY_SOCKET=" + ear.name(),
                                             "WATCHDOG_USEC=3000000"};
  EXPECT_EQ(manager.Environment(), expected);
}

TEST_F(ServiceManagerTest, AWatchdogOfAnotherProcessIsNotOurs) {
  ListeningManager ear;
  setenv("WATCHDOG_USEC", "3000000", 1);
  setenv("WATCHDOG_PID", "1", 1);
  EXPECT_EQ(ManagerAt(ear.name()).watchdog(), absl::ZeroDuration());
}

TEST_F(ServiceManagerTest, DescriptorsGoAlong) {
  ListeningManager ear;
  ServiceManager manager = ManagerAt(ear.name());
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  EXPECT_TRUE(manager.Notify("FDSTORE=1\nFDNAME=web", {&ends[0], 1}));
  int came = -1;
  EXPECT_EQ(ear.Next(0, &came), "FDSTORE=1\nFDNAME=web");
  struct stat sent, received;
  ASSERT_EQ(fstat(ends[0], &sent), 0);
  ASSERT_EQ(fstat(came, &received), 0);
  EXPECT_EQ(sent.st_ino, received.st_ino);
  for (const int fd : {ends[0], ends[1], came}) close(fd);
}

TEST_F(ServiceManagerTest, WhatAFullManagerDidNotTakeGoesWithTheNext) {
  ListeningManager ear;
  ServiceManager manager = ManagerAt(ear.name());
  int taken = 0;
  while (manager.Notify("STATUS=x")) ASSERT_LT(++taken, 100'000);
  EXPECT_FALSE(manager.Notify("READY=1"));
  for (int i = 0; i < taken; ++i) ASSERT_EQ(ear.Next(), "STATUS=x");
  EXPECT_TRUE(manager.Notify("WATCHDOG=1"));
  EXPECT_EQ(ear.Next(), "STATUS=x\nREADY=1\nWATCHDOG=1");
  EXPECT_TRUE(manager.Notify("WATCHDOG=1"));
  EXPECT_EQ(ear.Next(), "WATCHDOG=1");
}

TEST_F(ServiceManagerTest, OneThatCannotBeReachedIsToldOfOnce) {
  testing::LogCapture log;
  ServiceManager gone = ManagerAt("@tlsbridge-test-nobody-listens-here");
  EXPECT_FALSE(gone.Notify("READY=1"));
  EXPECT_FALSE(gone.Notify("WATCHDOG=1"));
  EXPECT_EQ(log.Events("service_manager_unreachable").size(), 1u);
}

TEST_F(ServiceManagerTest, ANameOfAnotherKindIsToldOfOnce) {
  for (const std::string& name :
       {std::string("vsock:2:1"), std::string("/"), std::string(200, '/')}) {
    testing::LogCapture log;
    ServiceManager manager = ManagerAt(name);
    EXPECT_FALSE(manager.listens());
    manager.Notify("READY=1");
    manager.Notify("READY=1");
    EXPECT_EQ(log.Events("service_manager_unreachable").size(), 1u) << name;
  }
}

}  // namespace
}  // namespace tlsbridge
