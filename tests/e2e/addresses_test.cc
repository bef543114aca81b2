// Where the program listens and what it dials: IPv4, IPv6 and UNIX sockets.

#include <signal.h>
#include <sys/stat.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/e2e/harness/http_backend.h"
#include "tests/e2e/harness/payload.h"
#include "tests/e2e/harness/tlsbridge_test.h"
#include "tests/e2e/support/curl.h"

namespace tlsbridge::e2e {
namespace {

class AddressesTest : public TlsbridgeTest {
 protected:
  void Start(std::vector<std::string> listen, const std::string& backend) {
    const CertificateFiles files = certificates().Issue();
    TlsbridgeOptions options;
    options.listen = std::move(listen);
    options.arguments = {"--backend", backend, "--cert", files.certificate, "--key", files.key};
    StartTlsbridge(options);
  }
  // The answer's body, as JSON.
  nlohmann::json Get(std::vector<std::string> arguments) {
    const CurlResult result = Curl(certificates().authority_certificate(), std::move(arguments));
    EXPECT_EQ(result.exit_code, 0) << result.error;
    return nlohmann::json::parse(result.body, nullptr, /*allow_exceptions=*/false);
  }
  nlohmann::json LastConnection(size_t count) {
    const auto ended = tlsbridge().WaitForConnections(count);
    EXPECT_EQ(ended.size(), count);
    return ended.empty() ? nlohmann::json() : ended.back();
  }
  std::string UnixPath(const std::string& name) { return dir().PathOf(name); }
};

TEST_F(AddressesTest, AnIpv6ListenerServesAnIpv6Backend) {
  HttpBackend backend("[::1]:0");
  ASSERT_NO_FATAL_FAILURE(Start({"[::1]:0"}, backend.address()));
  EXPECT_EQ(Get({absl::StrCat("https://[::1]:", tlsbridge().Port(), "/six")})["path"], "/six");
  const nlohmann::json ended = LastConnection(1);
  EXPECT_EQ(ended["listener"], tlsbridge().address());
  EXPECT_EQ(ended["backend"], backend.address());
  EXPECT_EQ(ended["peer"].get<std::string>().rfind("[::1]:", 0), 0u) << ended;
}

TEST_F(AddressesTest, AUnixBackendIsServed) {
  HttpBackend backend(absl::StrCat("unix:", UnixPath("backend")));
  ASSERT_NO_FATAL_FAILURE(Start({"127.0.0.1:0"}, backend.address()));
  EXPECT_EQ(Get({UrlOf(tlsbridge(), "/unix")})["path"], "/unix");
  constexpr size_t kBytes = 2'000'000;
  const CurlResult down = Curl(certificates().authority_certificate(),
                               {UrlOf(tlsbridge(), absl::StrCat("/download/", kBytes))});
  EXPECT_EQ(Checksum(down.body), Checksum(Payload(kBytes)));
  const std::string file = dir().WriteFile("upload", Payload(kBytes));
  EXPECT_EQ(Get({"--upload-file", file, UrlOf(tlsbridge(), "/upload")})["checksum"],
            Checksum(Payload(kBytes)));
  EXPECT_EQ(LastConnection(3)["backend"], absl::StrCat("unix:", UnixPath("backend")));
}

TEST_F(AddressesTest, ABackendOnAnotherMachineIsTakenWhereThatIsAllowed) {
  ASSERT_NO_FATAL_FAILURE(StartSidecar("192.0.2.1:80", {"--unsafe-backend"}));
  EXPECT_EQ((*tlsbridge().WaitForEvent("route"))["backends"], "192.0.2.1:80");
}

TEST_F(AddressesTest, AUnixListenerServesAndItsFileIsRemovedAtTheEnd) {
  HttpBackend backend;
  const std::string path = UnixPath("listener");
  ASSERT_NO_FATAL_FAILURE(Start({absl::StrCat("unix:", path)}, backend.address()));
  EXPECT_EQ(Get({"--unix-socket", path, "https://localhost/here"})["path"], "/here");
  const nlohmann::json ended = LastConnection(1);
  EXPECT_EQ(ended["listener"], absl::StrCat("unix:", path));
  EXPECT_EQ(ended["reason"], "closed_incoming");
  EXPECT_EQ(tlsbridge().Stop(), 0);
  struct stat info;
  EXPECT_NE(lstat(path.c_str(), &info), 0) << "the socket's file is left";
}

TEST_F(AddressesTest, AUnixListenerTakesOverTheFileOfAProgramThatWasKilled) {
  HttpBackend backend;
  const std::string path = UnixPath("listener");
  ASSERT_NO_FATAL_FAILURE(Start({absl::StrCat("unix:", path)}, backend.address()));
  tlsbridge().process().SendSignal(SIGKILL);
  tlsbridge().process().WaitForExit();
  ForgetTlsbridge();
  struct stat info;
  ASSERT_EQ(lstat(path.c_str(), &info), 0);
  ASSERT_NO_FATAL_FAILURE(Start({absl::StrCat("unix:", path)}, backend.address()));
  EXPECT_EQ(Get({"--unix-socket", path, "https://localhost/again"})["path"], "/again");
}

TEST_F(AddressesTest, SeveralListenersServeOneBackend) {
  HttpBackend backend;
  const std::string path = UnixPath("listener");
  ASSERT_NO_FATAL_FAILURE(Start(
      {"127.0.0.1:0", "127.0.0.1:0", "[::1]:0", absl::StrCat("unix:", path)}, backend.address()));
  ASSERT_EQ(tlsbridge().addresses().size(), 4u);
  EXPECT_NE(tlsbridge().Port(0), tlsbridge().Port(1));
  EXPECT_EQ(Get({absl::StrCat("https://127.0.0.1:", tlsbridge().Port(0), "/0")})["path"], "/0");
  EXPECT_EQ(Get({absl::StrCat("https://127.0.0.1:", tlsbridge().Port(1), "/1")})["path"], "/1");
  EXPECT_EQ(Get({absl::StrCat("https://[::1]:", tlsbridge().Port(2), "/2")})["path"], "/2");
  EXPECT_EQ(Get({"--unix-socket", path, "https://localhost/3"})["path"], "/3");
  EXPECT_EQ(tlsbridge().Stop(), 0);
  std::vector<std::string> listeners;
  for (const nlohmann::json& ended : tlsbridge().Connections()) {
    listeners.push_back(ended["listener"]);
  }
  EXPECT_EQ(listeners, tlsbridge().addresses());
}

}  // namespace
}  // namespace tlsbridge::e2e
