#include "router/stats/status_json.h"

#include <errno.h>

#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "router/stats/json_writer.h"
#include "router/stats/troubles.h"
#include "tls/certificates/credential.h"

namespace tlsbridge {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAreArray;
using Reason = TerminationReason;

constexpr char kPage[] = "router/stats/status.md";
const absl::Time kWall = absl::FromUnixSeconds(1'800'000'000);
const absl::Time kCommon = absl::UnixEpoch() + absl::Hours(5);

class StatusJsonTest : public ::testing::Test {
 protected:
  StatusJsonTest() {
    route_.name = "orders";
    for (const char* backend : {"127.0.0.1:80", "127.0.0.1:81"}) {
      route_.backends.push_back({{.socket = *SocketAddress::Parse(backend)}});
    }
  }
  void Serve() {
    Config config;
    config.routes = {route_};
    std::vector<RouteTls> tls = {tls_};
    for (const Route& other : others_) {
      config.routes.push_back(other);
      tls.emplace_back();
    }
    live_ = *LiveConfig::Assemble(std::move(config), std::move(tls), nullptr, kCommon);
    service_.live = live_.get();
  }
  void AddCertificate(absl::Duration left, const std::string& problem = "") {
    auto held = std::make_shared<tls::Credential>();
    held->name = "orders.crt";
    held->not_before = kWall + left - absl::Hours(24 * 90);
    held->not_after = kWall + left;
    tls_.files.certificates.push_back(
        {.paths = {"orders.crt", "orders.key"}, .problem = problem, .content = std::move(held)});
  }
  BackendPool& backends() { return *live_->routes()[0]->backends; }
  EndpointId Endpoint(size_t i) { return backends().Endpoints(kCommon)[i].id; }
  json Status() {
    if (live_ == nullptr) Serve();
    return json::parse(StatusJson(service_), nullptr, /*allow_exceptions=*/false);
  }
  std::vector<std::string> Kinds() {
    std::vector<std::string> kinds;
    const json status = Status();
    for (const auto& problem : status["problems"]) kinds.push_back(problem["kind"]);
    return kinds;
  }

  Route route_;
  std::vector<Route> others_;  // beside it
  RouteTls tls_;
  std::shared_ptr<const LiveConfig> live_;
  RecentFailures failures_;
  Admission admission_{Limits(), /*budget=*/500};
  HandshakeLimit handshakes_{7};
  Service service_ = {.admission = &admission_,
                      .handshake_limit = &handshakes_,
                      .failures = &failures_,
                      .started = kWall - absl::Hours(1),
                      .wall = kWall,
                      .common_now = kCommon,
                      .ready = true,
                      .phase = "serving",
                      .phase_since = kWall - absl::Hours(1),
                      .workers = {{.connections = 3}},
                      .log_level = "info"};
};

TEST_F(StatusJsonTest, WithoutTroubleItIsJustReady) {
  EXPECT_EQ(Status()["verdict"], "ready");
  EXPECT_EQ(Status()["problems"], json::array());
  EXPECT_EQ(Status()["uptime_seconds"], 3600);
}

TEST_F(StatusJsonTest, ARouteTellsWhatItHasDone) {
  Serve();
  RouteMetrics::Share& share = live_->ByName("orders")->state->metrics.ShareOf(this);
  share.opened.Add(5);
  share.CountEnd(Reason::kClosedIncoming, tls::FailureDetail::kNone);
  share.CountEnd(Reason::kTlsHandshakeFailed, tls::FailureDetail::kPlainHttp);
  share.CountEnd(Reason::kTlsHandshakeFailed, tls::FailureDetail::kTcpProbe);
  share.traffic.bytes[0].Add(10);
  share.ip_bytes[0].Add(1);
  share.connect.Observe(absl::Milliseconds(2));
  const json route = Status()["routes"][0];
  EXPECT_EQ(route["opened"], 5);
  EXPECT_EQ(route["ended"], json({{"closed_incoming", 1}, {"tls_handshake_failed", 2}}));
  EXPECT_EQ(route["failures"], 1) << "a probe is none";
  EXPECT_EQ(route["handshake_failures"], json({{"plain_http", 1}, {"tcp_probe", 1}}));
  EXPECT_EQ(route["bytes_received"], 11);
  EXPECT_EQ(route["connect"]["count"], 1);
  EXPECT_GT(route["connect"]["p99_seconds"], 0.001);
  EXPECT_EQ(route["backends"].size(), 2u);
  EXPECT_EQ(route["backends"][0]["state"], "good");
}

TEST_F(StatusJsonTest, ABackendThatFailsIsToldWithSinceWhenAndWhy) {
  Serve();
  backends().OnCheckFailed(Endpoint(0), "no answer", kCommon - absl::Minutes(5));
  backends().SetHealthy(Endpoint(0), false, kCommon - absl::Minutes(5));
  EXPECT_THAT(Kinds(), ElementsAre("backend_unhealthy"));
  const json status = Status();
  EXPECT_EQ(status["verdict"], "ready; 1 problem");
  EXPECT_EQ(status["problems"][0]["subject"], "orders: 127.0.0.1:80");
  EXPECT_EQ(status["problems"][0]["since"], "2027-01-15T07:55:00.000Z");
  EXPECT_THAT(std::string(status["problems"][0]["message"]), HasSubstr("check: no answer"));
  const json backend = status["routes"][0]["backends"][0];
  EXPECT_EQ(backend["state"], "unhealthy");
  EXPECT_EQ(backend["since"], "2027-01-15T07:55:00.000Z");
  EXPECT_EQ(backend["last_error"], "check: no answer");
  backends().SetHealthy(Endpoint(1), false, kCommon);
  EXPECT_THAT(Kinds(), ElementsAre("no_good_backend", "backend_unhealthy", "backend_unhealthy"));
}

TEST_F(StatusJsonTest, ABackendThatIsUsedThoughItFailsIsATrouble) {
  route_.backends.resize(1);
  Serve();
  const auto dial = [this](bool fails) {
    BackendPool::Lease lease = backends().Pick({}, {}, kCommon, 0);
    ASSERT_TRUE(lease);
    if (fails) return lease.Failed(ECONNREFUSED, kCommon - absl::Minutes(1));
    lease.Connected(kCommon);
  };
  for (int i = 1; i < route_.ejection.after_failures; ++i) dial(/*fails=*/true);
  EXPECT_THAT(Kinds(), ElementsAre());
  dial(/*fails=*/true);
  EXPECT_THAT(Kinds(), ElementsAre("no_good_backend", "backend_failing"));
  const json status = Status();
  EXPECT_EQ(status["problems"][0]["message"], "its only backend is unhealthy, ejected or failing");
  EXPECT_THAT(std::string(status["problems"][1]["message"]), HasSubstr("ECONNREFUSED"));
  EXPECT_EQ(status["problems"][1]["since"], "2027-01-15T07:59:00.000Z");
  EXPECT_EQ(status["routes"][0]["backends"][0]["state"], "failing");
  dial(/*fails=*/false);
  EXPECT_THAT(Kinds(), ElementsAre());
  EXPECT_EQ(Status()["routes"][0]["backends"][0]["state"], "good");
}

TEST_F(StatusJsonTest, ALimitIsATroubleForAMinute) {
  failures_.Count(Reason::kRouteLimit, true, kWall - absl::Seconds(59));
  EXPECT_THAT(Kinds(), ElementsAre("limit_hit"));
  EXPECT_EQ(Status()["problems"][0]["message"], "1 connection refused");
  service_.wall += absl::Seconds(2);
  EXPECT_THAT(Kinds(), ElementsAre());
  EXPECT_EQ(Status()["limits"]["hits"][0]["limit"], "route_limit");
}

TEST_F(StatusJsonTest, ACertificateIsATroubleInItsLastTenth) {
  AddCertificate(absl::Hours(24 * 9 + 1));
  EXPECT_THAT(Kinds(), ElementsAre());
  service_.wall += absl::Hours(2);
  EXPECT_THAT(Kinds(), ElementsAre("expires_soon"));
  service_.wall += absl::Hours(24 * 9);
  EXPECT_THAT(Kinds(), ElementsAre("expired"));
  EXPECT_LT(Status()["certificates"][0]["seconds_left"], 0);
}

TEST_F(StatusJsonTest, ThousandsOfOneKindAreCut) {
  route_.backends.clear();
  for (int i = 1; i <= 120; ++i) {
    route_.backends.push_back(
        {{.socket = *SocketAddress::Parse(absl::StrCat("10.0.0.", i, ":80"))}});
  }
  Serve();
  for (size_t i = 0; i < 119; ++i) backends().SetHealthy(Endpoint(i), false, kCommon);
  const json problems = Status()["problems"];
  ASSERT_EQ(problems.size(), kMostTroubles);
  EXPECT_THAT(std::string(problems.back()["message"]), HasSubstr("and 69 more of this kind"));
}

// Every trouble that there is, and every member.
class WholeStatusTest : public StatusJsonTest {
 protected:
  WholeStatusTest() {
    service_.ready = false;
    service_.unready = "draining";
    service_.phase = "draining";
    service_.lines_lost_at = kWall;
    service_.generation = 3;
    service_.draining = {{2, 4711}};
    service_.reloads = {.last_refused = true, .refusal = "tlsbridge.yaml:1:1: x"};
    AddCertificate(-absl::Hours(1), "orders.crt: is no PEM");
    AddCertificate(absl::Hours(1));
    tls_.files.certificates.back().content = [] {
      auto held = std::make_shared<tls::Credential>();
      held->name = "other.crt";
      held->not_before = kWall - absl::Hours(100);
      held->not_after = kWall + absl::Hours(1);
      return held;
    }();
    tls_.down = "orders.crt: is no PEM";
    failures_.Count(Reason::kGlobalLimit, true, kWall);
    route_.ejection.keep_fraction = 0;
    Route other = {.name = "billing"};
    other.backends.push_back({{.socket = *SocketAddress::Parse("127.0.0.1:82")}});
    others_ = {other};
    Serve();
    for (int i = 0; i < other.ejection.after_failures; ++i) {
      live_->ByName("billing")->backends->Pick({}, {}, kCommon, 0).Failed(ECONNREFUSED, kCommon);
    }
    backends().OnCheckFailed(Endpoint(0), "no answer", kCommon);
    backends().SetHealthy(Endpoint(0), false, kCommon);
    const std::vector<EndpointId> bad = {Endpoint(0)};
    while (BackendPool::Lease lease = backends().Pick({}, bad, kCommon, 0)) {
      lease.Failed(ECONNREFUSED, kCommon);  // until it is ejected
    }
  }
  // "routes[].name" -> "string", of all members below `value`.
  static void Flatten(const json& value, const std::string& path,
                      std::map<std::string, std::set<std::string>>* types) {
    static const std::set<std::string> kMaps = {"routes[].ended", "routes[].handshake_failures",
                                                "unrouted.ended", "unrouted.handshake_failures",
                                                "failures[].fields"};
    if (value.is_object() && !kMaps.contains(path)) {
      for (const auto& [key, member] : value.items()) {
        Flatten(member, path.empty() ? key : absl::StrCat(path, ".", key), types);
      }
    } else if (value.is_array()) {
      for (const json& element : value) Flatten(element, path + "[]", types);
    } else {
      (*types)[path].insert(value.type_name());
    }
  }
  // The rows of a table of the page below the title that begins so: first two columns.
  static std::map<std::string, std::string> Rows(const std::string& title) {
    std::ifstream file(kPage);
    std::map<std::string, std::string> rows;
    bool inside = false;
    for (std::string line; std::getline(file, line);) {
      if (absl::StartsWith(line, "#")) inside = line == title;
      const std::vector<std::string> cells = absl::StrSplit(line, '|');
      if (!inside || cells.size() < 4 || !absl::StartsWith(cells[1], " `")) continue;
      rows[cells[1].substr(2, cells[1].size() - 4)] =
          std::string(absl::StripAsciiWhitespace(cells[2]));
    }
    return rows;
  }
  static void ExpectDescribed(const json& document, const std::string& title) {
    std::map<std::string, std::set<std::string>> types;
    Flatten(document, "", &types);
    const auto rows = Rows(title);
    EXPECT_FALSE(rows.empty());
    for (const auto& [path, seen] : types) {
      ASSERT_TRUE(rows.contains(path)) << path << " is not in " << kPage;
      for (const std::string& type : seen) EXPECT_THAT(rows.at(path), HasSubstr(type)) << path;
    }
    for (const auto& [path, type] : rows) {
      EXPECT_TRUE(types.contains(path)) << path << " of " << kPage << " is not there";
    }
  }
};

TEST_F(WholeStatusTest, EveryTroubleIsTold) {
  const std::vector<std::string> kinds = Kinds();
  std::set<std::string> told(kinds.begin(), kinds.end());
  EXPECT_THAT(told, UnorderedElementsAreArray(TroubleKinds()));
  EXPECT_EQ(Status()["verdict"], absl::StrCat("draining; ", kinds.size(), " problems"));
}

TEST_F(WholeStatusTest, ThePageDescribesEveryMemberAndNoOther) {
  ExpectDescribed(Status(), "## `GET /status`");
  std::vector<std::string> kinds;
  for (const auto& [kind, about] : Rows("### Problems")) kinds.push_back(kind);
  EXPECT_THAT(kinds, UnorderedElementsAreArray(TroubleKinds()));
}

TEST_F(WholeStatusTest, ThePageDescribesFailures) {
  failures_.Add({.at = kWall, .reason = Reason::kTruncated, .line = "a", .fields = "{\"id\":1}"});
  const json document = json::parse(FailuresJson(failures_, {}), nullptr, false);
  ExpectDescribed(document, "## `GET /failures`");
  EXPECT_EQ(document["last"], 1);
  EXPECT_EQ(document["failures"][0]["fields"]["id"], 1);
}

TEST(JsonWriterTest, WhatIsNoTextIsEscapedOrReplaced) {
  JsonWriter out;
  out.BeginObject().Key("a").BeginArray();
  out.Text("q\"b\\\n\x01").Text("\xff").Number(1e300 * 1e300).Number(0.5).Flag(true).Null();
  out.EndArray().Key("b").BeginObject().EndObject().Key("c").Time(absl::InfinitePast()).EndObject();
  const json parsed = json::parse(out.Finish(), nullptr, false);
  ASSERT_TRUE(parsed.is_object());
  EXPECT_EQ(parsed["a"][0], "q\"b\\\n\x01");
  EXPECT_EQ(parsed["a"][1], "\xef\xbf\xbd");
  EXPECT_TRUE(parsed["a"][2].is_null());
  EXPECT_TRUE(parsed["c"].is_null());
}

}  // namespace
}  // namespace tlsbridge
