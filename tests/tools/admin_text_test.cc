// What the commands that ask a running process print; without one.

#include "tools/tlsbridge/admin_text.h"

#include <string>
#include <vector>

#include "bridge/termination_reason.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/tlsbridge/reason_words.h"

namespace tlsbridge {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

AdminJson Status() {
  return AdminJson::parse(R"({
    "verdict": "ready; 1 problem", "ready": true, "version": "1.2.3", "pid": 42,
    "uptime_seconds": 7300,
    "problems": [{"kind": "backend_unhealthy", "subject": "orders: 10.0.0.7:80",
                  "since": "2026-11-30T15:00:00.000Z", "message": "its health checks fail",
                  "hint": "look at the backend"}],
    "routes": [
      {"name": "orders", "mode": "terminate", "down": null, "open": 12, "opened": 3400,
       "failures": 7, "ended": {"closed_incoming": 3381, "econnreset": 5, "truncated": 2},
       "bytes_received": 1234567, "bytes_sent": 99,
       "handshake": {"count": 3400, "p50_seconds": 0.0012, "p99_seconds": 0.04},
       "connect": {"count": 0, "p50_seconds": 0, "p99_seconds": 0},
       "backends": [{"name": "10.0.0.7:80", "state": "unhealthy", "since": "2026-11-30T15:00:00.000Z",
                     "connections": 0, "dialled": 5, "failed": 1, "last_error": "check: refused"}]},
      {"name": "mail", "mode": "passthrough", "down": "x.crt: is no PEM", "open": 0, "opened": 0,
       "failures": 0, "ended": {}, "bytes_received": 0, "bytes_sent": 0}],
    "certificates": [{"not_after": "2026-12-24T00:00:00.000Z", "seconds_left": 2030400,
                      "kind": "certificate", "route": "orders", "file": "tls.crt"}],
    "limits": {"connections": {"now": 12, "limit": 5000}}, "loops": [],
    "reloads": {"taken": 1, "refused": 0}, "renewals": {"taken": 0, "refused": 0},
    "log": {"level": "info", "lines_lost": 0, "lines_folded": 3}})");
}

TEST(StatusTextTest, TheVerdictIsFirstThenWhatIsWrongAndWhatToDo) {
  EXPECT_THAT(StatusText(Status()),
              StartsWith("ready; 1 problem\n"
                         "tlsbridge 1.2.3, pid 42, up 2 h\n"
                         "\n"
                         "! backend_unhealthy orders: 10.0.0.7:80 since 2026-11-30T15:00:00.000Z\n"
                         "  its health checks fail\n"
                         "  -> look at the backend\n"));
}

TEST(StatusTextTest, TablesAreAligned) {
  const std::string text = StatusText(Status());
  EXPECT_THAT(
      text,
      HasSubstr("ROUTE   MODE       OPEN  OPENED  FAILURES  RECEIVED  SENT  HANDSHAKE p50/p99"));
  EXPECT_THAT(text, HasSubstr("orders  terminate    12    3.4k         7      1.2M    99  "));
  EXPECT_THAT(text, AllOf(HasSubstr("1.2 ms / 40 ms"), HasSubstr("econnreset 5, truncated 2"),
                          HasSubstr("mail    DOWN"), HasSubstr("check: refused"),
                          HasSubstr("24 d  certificate  orders  tls.crt")));
}

TEST(StatusTextTest, WhatIsMissingDoesNoHarm) {
  EXPECT_THAT(StatusText(AdminJson::object()), StartsWith("-\n"));
  EXPECT_THAT(StatusText(AdminJson::parse(R"({"routes": 7, "problems": {"a": 1}})")),
              StartsWith("-\n"));
}

TEST(TopTextTest, RatesAreThoseSinceTheLastTime) {
  AdminJson later = Status();
  later["uptime_seconds"] = 7310;
  later["routes"][0]["opened"] = 3450;
  later["routes"][0]["bytes_sent"] = 100099;
  const std::string text = TopText(later, Status(), 40, 200);
  EXPECT_THAT(text, HasSubstr("orders    12      5       0       0      10k"));
  EXPECT_LT(text.find("orders  "), text.find("mail  "));
}

TEST(TopTextTest, FitsTheTerminal) {
  const std::string text = TopText(Status(), {}, 6, 30);
  std::string line;
  int lines = 0;
  for (const char c : text) {
    if (c != '\n') {
      line.push_back(c);
      continue;
    }
    EXPECT_LE(line.size(), 30u) << line;
    line.clear();
    ++lines;
  }
  EXPECT_LE(lines, 5);
}

TEST(LifeTextTest, OfOneThatIsOpen) {
  const std::string text = LifeText(AdminJson::parse(R"({
    "id": 17, "peer": "10.0.0.9:4711", "listener": "0.0.0.0:8443", "route": "orders",
    "backend": "127.0.0.1:8080", "state": "bridging", "age_seconds": 12.5, "idle_seconds": 3,
    "bytes_received": 83, "bytes_sent": 271, "queued_to_client": 65536, "queued_to_backend": 0,
    "client_reads_paused": [], "backend_reads_paused": ["other_side_full"],
    "timers": [{"timer": "deadline", "reason": "inactivity", "in_seconds": 14397}],
    "tls": "TLSv1.3", "cipher": "TLS_AES_128_GCM_SHA256", "group": "X25519", "resumed": false,
    "handshake_ms": 1.018, "connect_ms": 0.117, "first_byte_ms": 20.5, "sni": "orders.internal"})"));
  EXPECT_EQ(text,
            "connection 17 of 10.0.0.9:4711 is open: bridging\n"
            "      0.0 ms  accepted on 0.0.0.0:8443\n"
            "              asked for orders.internal\n"
            "              route orders\n"
            "      1.0 ms  TLS handshake done: TLSv1.3, TLS_AES_128_GCM_SHA256, group X25519\n"
            "      1.1 ms  backend 127.0.0.1:8080 connected, after 117 us\n"
            "     21.6 ms  the backend's first byte\n"
            "  12500.0 ms  now: 83 bytes from the client, 271 to it\n"
            "              the last byte was moved 3.0 s ago\n"
            "              66k bytes wait for the client to take them\n"
            "              nothing is read from the backend until the other side takes more\n"
            "              unless something happens it is closed in 4 h: inactivity\n");
}

TEST(LifeTextTest, OfOneThatHasFailed) {
  const std::string text = EndedLifeText(AdminJson::parse(R"({
    "time": "2026-11-30T15:00:00.000Z", "fields": {"event": "connection_end", "id": 18,
      "peer": "10.0.0.9:4712", "listener": "0.0.0.0:8443", "reason": "tls_handshake_failed",
      "incoming": "tls_handshake_failed", "outgoing": "none", "detail": "plain_http",
      "duration_ms": 0.3, "bytes_received": 0, "bytes_sent": 0, "sni": ""}})"));
  EXPECT_EQ(text,
            "connection 18 of 10.0.0.9:4712 ended at 2026-11-30T15:00:00.000Z\n"
            "      0.0 ms  accepted on 0.0.0.0:8443\n"
            "      0.3 ms  ended: tls_handshake_failed: the TLS handshake with the client failed; "
            "detail says why\n"
            "              detail plain_http\n"
            "              the client's side: tls_handshake_failed; the backend's: none\n"
            "              0 bytes from the client, 0 to it\n");
}

TEST(AdminTextTest, APeersBytesCannotReachTheTerminal) {
  const AdminJson hostile = {{"time", "t"}, {"line", "sni=\x1b[2J\r\n\x7f"}};
  EXPECT_EQ(FailureText(hostile), "t sni=\\x1b[2J\\x0d\\x0a\\x7f\n");
}

TEST(AdminTextTest, NumbersAndSpansAreShort) {
  EXPECT_EQ(Short(999), "999");
  EXPECT_EQ(Short(1000), "1.0k");
  EXPECT_EQ(Short(123456), "123k");
  EXPECT_EQ(Short(0.25), "0.2");
  EXPECT_EQ(Span(0.000085), "85 us");
  EXPECT_EQ(Span(0.0012), "1.2 ms");
  EXPECT_EQ(Span(0.25), "250 ms");
  EXPECT_EQ(Span(90), "90 s");
  EXPECT_EQ(Span(600), "10 min");
  EXPECT_EQ(Span(86400 * 30), "30 d");
}

TEST(AdminTextTest, EveryReasonHasItsWords) {
  for (size_t i = 0; i < kTerminationReasons; ++i) {
    const absl::string_view name = TerminationReasonName(static_cast<TerminationReason>(i));
    EXPECT_THAT(std::string(ReasonInWords(name)), Not(HasSubstr("unknown to this version")))
        << name;
  }
  EXPECT_THAT(std::string(ReasonInWords("new")), HasSubstr("unknown to this version"));
}

TEST(AdminTextTest, AnEmptyListSaysSo) {
  EXPECT_EQ(ConnectionsText(AdminJson::parse(R"({"records": []})")), "no connections\n");
}

}  // namespace
}  // namespace tlsbridge
