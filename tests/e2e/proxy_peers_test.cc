// PROXY headers with the programs that people have in front and behind: haproxy and nginx.

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/substitute.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/e2e/harness/http_backend.h"
#include "tests/e2e/harness/tcp_backend.h"
#include "tests/e2e/harness/tlsbridge_test.h"
#include "tests/e2e/support/curl.h"
#include "tests/e2e/support/free_address.h"
#include "tests/e2e/support/peer_program.h"
#include "tests/e2e/support/tls_client.h"

namespace tlsbridge::e2e {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr char kHaproxy[] = R"(
global
  log stderr format raw local0
defaults
  timeout client 30s
  timeout server 30s
  timeout connect 5s
)";

// $0: the folder, $1: the rest.
constexpr char kNginx[] = R"(
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
user root;
daemon off;
master_process off;
pid $0/nginx.pid;
error_log stderr notice;
events { worker_connections 512; }
$1
)";

class ProxyPeersTest : public TlsbridgeTest {
 protected:
  // A program in front or behind that listens on peer_.
  void StartHaproxy(const std::string& rest) {
    peer_program_ =
        StartPeer({"haproxy", "-db", "-f", dir().WriteFile("haproxy.cfg", kHaproxy + rest)}, peer_);
    ASSERT_NE(peer_program_, nullptr);
  }
  void StartNginx(const std::string& rest) {
    const std::string file =
        dir().WriteFile("nginx.conf", absl::Substitute(kNginx, dir().path(), rest));
    peer_program_ =
        StartPeer({"/usr/sbin/nginx", "-c", file, "-p", dir().path(), "-e", "stderr"}, peer_);
    ASSERT_NE(peer_program_, nullptr);
  }
  void StartTlsbridge(const std::string& backend, const std::string& listener_more,
                      const std::string& route_more, const std::string& more = "") {
    StartRun(absl::StrCat("listeners: [{address: \"", listen_, "\"", listener_more, "}]\n", more,
                          "routes:\n"
                          "  - name: main\n"
                          "    tls: {certificates: [{cert: localhost.crt, key: localhost.key}]}\n"
                          "    backends: [{address: \"",
                          backend, "\"}]\n", route_more));
  }
  CurlResult Get(const std::string& address, const std::string& source) {
    return Curl(certificates().authority_certificate(),
                {"--interface", source, "--connect-to", absl::StrCat("localhost:443:", address),
                 "https://localhost/"});
  }
  std::optional<nlohmann::json> EndOf(const std::string& client) {
    return tlsbridge().WaitForEvent("connection_end", [&client](const auto& event) {
      return event["peer"].template get<std::string>().rfind(client + ":", 0) == 0;
    });
  }

  std::string listen_ = FreeAddress(1);
  std::string peer_ = FreeAddress(2);
  std::unique_ptr<Process> peer_program_;
};

class InFrontTest : public ProxyPeersTest, public testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override {
    if (GetParam() != std::string("haproxy_unix")) return;
    listen_ = "unix:" + dir().PathOf("front.sock");
    from_ = ", proxy_protocol_from_unix: true";
  }
  void StartInFront() {
    const std::string kind = GetParam();
    if (kind == "nginx") {
      StartNginx(absl::StrCat("stream { server { listen ", peer_, "; proxy_pass ", listen_,
                              "; proxy_protocol on; } }"));
    } else {
      std::string options = kind == "haproxy_v1" ? " send-proxy\n" : " send-proxy-v2\n";
      if (kind == "haproxy_v2_tlvs") {
        options = " send-proxy-v2 proxy-v2-options crc32c,unique-id\n  unique-id-format %ci\n";
      }
      const std::string server =
          kind == "haproxy_unix" ? "unix@" + dir().PathOf("front.sock") : listen_;
      StartHaproxy(absl::StrCat("listen front\n  mode tcp\n  bind ", peer_, "\n  server t ", server,
                                options));
    }
  }
  std::string from_ = ", proxy_protocol_from: [127.0.0.1]";
};

TEST_P(InFrontTest, TheLogAndTheRoutesKnowTheRealClient) {
  HttpBackend backend;
  ASSERT_NO_FATAL_FAILURE(StartTlsbridge(backend.address(), from_, "    deny_ip: [127.0.0.6]\n"));
  ASSERT_NO_FATAL_FAILURE(StartInFront());
  const CurlResult answer = Get(peer_, "127.0.0.5");
  EXPECT_EQ(answer.exit_code, 0) << answer.error;
  const auto end = EndOf("127.0.0.5");
  ASSERT_TRUE(end);
  EXPECT_EQ((*end)["route"], "main");
  EXPECT_NE(Get(peer_, "127.0.0.6").exit_code, 0);
  const auto denied = EndOf("127.0.0.6");
  ASSERT_TRUE(denied);
  EXPECT_EQ((*denied)["reason"], "denied");
}

TEST_P(InFrontTest, LimitsCountTheRealClient) {
  TcpBackend backend([](Socket& connection) { (void)connection.ReadToEnd(); });
  ASSERT_NO_FATAL_FAILURE(
      StartTlsbridge(backend.address(), from_, "", "limits: {connections_per_ip: 2}\n"));
  ASSERT_NO_FATAL_FAILURE(StartInFront());
  std::vector<TlsClient> held;
  for (const char* source : {"127.0.0.5", "127.0.0.5", "127.0.0.6", "127.0.0.6"}) {
    auto client = TlsClient::Open(peer_, {.source = source});
    ASSERT_TRUE(client.ok()) << source << client.status();
    held.push_back(*std::move(client));
  }
  EXPECT_FALSE(TlsClient::Open(peer_, {.source = "127.0.0.5"}).ok());
  EXPECT_TRUE(TlsClient::Open(peer_, {.source = "127.0.0.7"}).ok());
  const auto end = EndOf("127.0.0.5");
  ASSERT_TRUE(end);
  EXPECT_EQ((*end)["reason"], "ip_limit");
}

INSTANTIATE_TEST_SUITE_P(Programs, InFrontTest,
                         testing::Values("haproxy_v1", "haproxy_v2", "haproxy_v2_tlvs",
                                         "haproxy_unix", "nginx"),
                         [](const auto& info) { return std::string(info.param); });

TEST_F(ProxyPeersTest, WhoMustSendAHeaderAndDoesNotIsRefused) {
  HttpBackend backend;
  ASSERT_NO_FATAL_FAILURE(
      StartTlsbridge(backend.address(), ", proxy_protocol_from: [127.0.0.5]", ""));
  EXPECT_NE(Get(listen_, "127.0.0.5").exit_code, 0);
  EXPECT_EQ(Get(listen_, "127.0.0.6").exit_code, 0);
  const auto end = EndOf("127.0.0.5");
  ASSERT_TRUE(end);
  EXPECT_EQ((*end)["reason"], "proxy_header");
}

TEST_F(ProxyPeersTest, WhoMayNotSendAHeaderIsRefusedForIt) {
  HttpBackend backend;
  ASSERT_NO_FATAL_FAILURE(
      StartTlsbridge(backend.address(), ", proxy_protocol_from: [127.0.0.5]", ""));
  auto liar = Socket::Connect(listen_, "127.0.0.6");
  ASSERT_TRUE(liar.ok());
  ASSERT_TRUE(liar->Write("PROXY TCP4 10.1.2.3 10.4.5.6 1 2\r\n").ok());
  (void)liar->ReadToEnd();
  const auto end = EndOf("127.0.0.6");
  ASSERT_TRUE(end);
  EXPECT_EQ((*end)["reason"], "proxy_header");
  EXPECT_EQ((*end)["detail"], "unexpected");
}

// Where the program behind listens, and which version it gets.
struct Behind {
  const char* version;
  bool is_unix;
};

class BehindTest : public ProxyPeersTest, public testing::WithParamInterface<Behind> {
 protected:
  void SetUp() override {
    if (GetParam().is_unix) peer_ = "unix:" + dir().PathOf("peer.sock");
  }
  std::string Send() { return absl::StrCat("    send_proxy_protocol: ", GetParam().version, "\n"); }
};

TEST_P(BehindTest, HaproxyUnderstandsTheHeader) {
  ASSERT_NO_FATAL_FAILURE(StartHaproxy(absl::StrCat(
      "frontend back\n  mode http\n  bind ", GetParam().is_unix ? peer_.substr(5) : peer_,
      " accept-proxy\n  http-request return status 200 content-type text/plain lf-string "
      "\"%[src] %[dst]:%[dst_port] %[fc_pp_authority] %[fc_pp_unique_id]\"\n")));
  ASSERT_NO_FATAL_FAILURE(StartTlsbridge(peer_, "", Send()));
  const CurlResult answer = Get(listen_, "127.0.0.5");
  ASSERT_EQ(answer.exit_code, 0) << answer.error;
  const std::vector<std::string> words = absl::StrSplit(answer.body, ' ');
  ASSERT_EQ(words.size(), 4u) << answer.body;
  EXPECT_EQ(words[0], "127.0.0.5");
  EXPECT_EQ(words[1], listen_);
  const auto end = EndOf("127.0.0.5");
  ASSERT_TRUE(end);
  const bool binary = GetParam().version == std::string("v2");
  EXPECT_EQ(words[2], binary ? "localhost" : "");
  EXPECT_EQ(words[3], binary ? absl::StrCat((*end)["id"].get<int64_t>()) : "");
}

TEST_P(BehindTest, NginxUnderstandsTheHeader) {
  ASSERT_NO_FATAL_FAILURE(StartNginx(absl::StrCat(
      "http { access_log off; client_body_temp_path ", dir().path(), "/body; proxy_temp_path ",
      dir().path(), "/proxy; fastcgi_temp_path ", dir().path(), "/fastcgi; uwsgi_temp_path ",
      dir().path(), "/uwsgi; scgi_temp_path ", dir().path(), "/scgi;\n server { listen ", peer_,
      " proxy_protocol; location / { return 200 \"$proxy_protocol_addr "
      "$proxy_protocol_server_addr:$proxy_protocol_server_port\"; } } }")));
  ASSERT_NO_FATAL_FAILURE(StartTlsbridge(peer_, "", Send()));
  const CurlResult answer = Get(listen_, "127.0.0.5");
  ASSERT_EQ(answer.exit_code, 0) << answer.error;
  EXPECT_EQ(answer.body, "127.0.0.5 " + listen_);
}

INSTANTIATE_TEST_SUITE_P(Ways, BehindTest,
                         testing::Values(Behind{"v1", false}, Behind{"v2", false},
                                         Behind{"v1", true}, Behind{"v2", true}),
                         [](const auto& info) {
                           return absl::StrCat(info.param.version,
                                               info.param.is_unix ? "_unix" : "_tcp");
                         });

}  // namespace
}  // namespace tlsbridge::e2e
