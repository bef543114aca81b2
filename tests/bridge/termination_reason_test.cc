// The closed list of reasons.

#include "bridge/termination_reason.h"

#include <errno.h>

#include <algorithm>
#include <set>
#include <string>

#include "gtest/gtest.h"

namespace tlsbridge {
namespace {

using Reason = TerminationReason;

std::string Name(size_t i) { return std::string(TerminationReasonName(static_cast<Reason>(i))); }

TEST(TerminationReason, EachHasANameOfItsOwnThatAMetricLabelMayBear) {
  std::set<std::string> names;
  for (size_t i = 0; i < kTerminationReasons; ++i) {
    const std::string name = Name(i);
    EXPECT_FALSE(name.empty());
    EXPECT_TRUE(std::all_of(name.begin(), name.end(), [](char c) {
      return (c >= 'a' && c <= 'z') || c == '_';
    })) << name;
    names.insert(name);
  }
  EXPECT_EQ(names.size(), kTerminationReasons);
}

TEST(TerminationReason, TheListIsClosed) {
  const std::set<std::string> expected = {"none",
                                          "closed_incoming",
                                          "closed_outgoing",
                                          "normal",
                                          "socket_end",
                                          "proxy_end",
                                          "truncated",
                                          "econnreset",
                                          "etimedout",
                                          "econnrefused",
                                          "ehostunreach",
                                          "enetunreach",
                                          "socket_error",
                                          "proxy_error",
                                          "error",
                                          "tls_handshake_failed",
                                          "tls_error",
                                          "handshake_timeout",
                                          "connect_timeout",
                                          "initial_timeout",
                                          "inactivity",
                                          "half_close_timeout",
                                          "max_lifetime",
                                          "shutdown",
                                          "admin",
                                          "global_limit",
                                          "ip_limit",
                                          "route_limit",
                                          "rate_limit",
                                          "handshake_limit",
                                          "ip_handshake_limit",
                                          "fd_limit",
                                          "local_error",
                                          "denied",
                                          "no_route",
                                          "no_backend",
                                          "nftables_handled",
                                          "backend_truncated",
                                          "backend_tls_failed",
                                          "backend_tls_error",
                                          "proxy_header",
                                          "route_down",
                                          "route_removed"};
  std::set<std::string> names;
  for (size_t i = 0; i < kTerminationReasons; ++i) names.insert(Name(i));
  EXPECT_EQ(names, expected) << "log fields, metric labels and alerts of operators depend on these";
}

TEST(TerminationReason, ErrnosKeepTheirOwnReasonOnEitherSide) {
  for (const Side side : {Side::kIncoming, Side::kOutgoing}) {
    EXPECT_EQ(ReasonForErrno(side, ECONNRESET), Reason::kEconnreset);
    EXPECT_EQ(ReasonForErrno(side, EPIPE), Reason::kEconnreset);
    EXPECT_EQ(ReasonForErrno(side, ETIMEDOUT), Reason::kEtimedout);
    EXPECT_EQ(ReasonForErrno(side, ECONNREFUSED), Reason::kEconnrefused);
    EXPECT_EQ(ReasonForErrno(side, EHOSTUNREACH), Reason::kEhostunreach);
    EXPECT_EQ(ReasonForErrno(side, ENETUNREACH), Reason::kEnetunreach);
  }
  for (const int error : {EADDRNOTAVAIL, ENOBUFS, ENOMEM, ENOSPC}) {
    EXPECT_EQ(ReasonForErrno(Side::kIncoming, error), Reason::kLocalError);
    EXPECT_EQ(ReasonForErrno(Side::kOutgoing, error), Reason::kLocalError);
  }
  EXPECT_EQ(ReasonForErrno(Side::kOutgoing, EMFILE), Reason::kFdLimit);
  EXPECT_EQ(ReasonForErrno(Side::kIncoming, EIO), Reason::kSocketError);
  EXPECT_EQ(ReasonForErrno(Side::kOutgoing, EIO), Reason::kProxyError);
}

TEST(TerminationReason, WhatTheNetworkCutIsResetForBothPeersOnceTheyWereJoined) {
  for (const Reason reason :
       {Reason::kEconnreset, Reason::kEtimedout, Reason::kSocketError, Reason::kProxyError}) {
    const Endings endings = EndingsFor(reason, Stage::kUnderWay);
    EXPECT_EQ(endings.incoming, Ending::kFlushReset) << TerminationReasonName(reason);
    EXPECT_EQ(endings.outgoing, Ending::kFlushReset) << TerminationReasonName(reason);
  }
}

TEST(TerminationReason, AClientWithoutABackendReadsAnAlert) {
  for (const Reason reason :
       {Reason::kEtimedout, Reason::kEconnrefused, Reason::kEhostunreach, Reason::kEnetunreach,
        Reason::kProxyError, Reason::kConnectTimeout, Reason::kFdLimit, Reason::kLocalError,
        Reason::kNoBackend, Reason::kNoRoute, Reason::kRouteDown}) {
    EXPECT_EQ(EndingsFor(reason, Stage::kUnserved).incoming, Ending::kAlert)
        << TerminationReasonName(reason);
  }
}

TEST(TerminationReason, ADeadlineOrADecisionIsPoliteOnlyWhereNothingIsUnderWay) {
  for (const Reason reason : {Reason::kInitialTimeout, Reason::kInactivity, Reason::kMaxLifetime,
                              Reason::kShutdown, Reason::kRouteRemoved, Reason::kAdmin}) {
    const absl::string_view name = TerminationReasonName(reason);
    EXPECT_EQ(EndingsFor(reason, Stage::kIdle).incoming, Ending::kGraceful) << name;
    EXPECT_EQ(EndingsFor(reason, Stage::kIdle).outgoing, Ending::kGraceful) << name;
    EXPECT_EQ(EndingsFor(reason, Stage::kUnderWay).incoming, Ending::kFlushReset) << name;
    EXPECT_EQ(EndingsFor(reason, Stage::kUnderWay).outgoing, Ending::kFlushReset) << name;
    EXPECT_EQ(EndingsFor(reason, Stage::kUnserved).incoming, Ending::kAlert) << name;
  }
}

TEST(TerminationReason, NoBackendWithoutTlsIsToldThatACutStreamIsWhole) {
  for (size_t i = 0; i < kTerminationReasons; ++i) {
    const auto reason = static_cast<Reason>(i);
    if (reason <= Reason::kProxyEnd || reason == Reason::kBackendTruncated ||
        reason == Reason::kBackendTlsError) {
      continue;  // over, or its TLS tells it
    }
    const Ending ending = EndingsFor(reason, Stage::kUnderWay).outgoing;
    EXPECT_TRUE(ending == Ending::kFlushReset || ending == Ending::kReset) << Name(i);
  }
}

TEST(TerminationReason, FailuresAreNotOrderly) {
  EXPECT_TRUE(IsOrderly(Reason::kClosedIncoming));
  EXPECT_TRUE(IsOrderly(Reason::kShutdown));
  for (const Reason reason : {Reason::kTruncated, Reason::kEconnreset, Reason::kTlsHandshakeFailed,
                              Reason::kGlobalLimit, Reason::kConnectTimeout}) {
    EXPECT_FALSE(IsOrderly(reason)) << TerminationReasonName(reason);
  }
}

}  // namespace
}  // namespace tlsbridge
