// Certificates that are replaced in every way that is in use, while clients connect.

#include <openssl/x509.h>
#include <stdlib.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/e2e/harness/tcp_backend.h"
#include "tests/e2e/harness/tlsbridge_test.h"
#include "tests/e2e/support/authority_files.h"
#include "tests/e2e/support/curl.h"
#include "tests/e2e/support/tls_client.h"

namespace tlsbridge::e2e {
namespace {

using ::testing::HasSubstr;

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Two certificates for each of two names; one is served from plain files, the other as Kubernetes
// mounts a secret: tls.crt -> ..data/tls.crt, and ..data -> a folder that is swapped.
class RotationTest : public TlsbridgeTest {
 protected:
  void SetUp() override {
    AuthorityFiles authority(dir(), (certificates(), "ca"));
    for (const char* name : {"plain", "kube"}) {
      for (const char* generation : {"1", "2"}) {
        const std::string common_name = absl::StrCat(name, "-", generation);
        const CertificateFiles files = certificates().Issue(
            {.name = common_name, .alt_names = {absl::StrCat("DNS:", name, ".internal")}});
        // The same validity, so that each may follow the other.
        authority.Reissue(files, "20260101000000Z", "20360101000000Z");
        made_[common_name] = files;
      }
    }
    Shell("mkdir kube ..data-kube-1 ..data-kube-2; mv ..data-* kube");
    for (const char* generation : {"1", "2"}) {
      const CertificateFiles& files = made_[absl::StrCat("kube-", generation)];
      Shell(absl::StrCat("cp ", files.certificate, " kube/..data-kube-", generation,
                         "/tls.crt; cp ", files.key, " kube/..data-kube-", generation, "/tls.key"));
    }
    Shell("ln -s ..data-kube-1 kube/..data; ln -s ..data/tls.crt ..data/tls.key kube");
    Rename("plain-1");
    ASSERT_NO_FATAL_FAILURE(StartSidecarWith(
        {dir().PathOf("plain.crt"), dir().PathOf("plain.key")}, backend_.address(),
        {"--cert", dir().PathOf("kube/tls.crt"), "--key", dir().PathOf("kube/tls.key"),
         "--admin-listen", absl::StrCat("unix:", dir().PathOf("admin"))}));
  }
  void Shell(const std::string& command) {
    ASSERT_EQ(system(absl::StrCat("cd ", dir().path(), " && { ", command, "; }").c_str()), 0)
        << command;
  }

  // Ways to serve `common_name` by the plain files.
  void Rename(const std::string& common_name) {
    Shell(absl::StrCat("cp ", made_[common_name].certificate, " new.crt; cp ",
                       made_[common_name].key,
                       " new.key; mv new.crt plain.crt; mv new.key "
                       "plain.key"));
  }
  void WriteInPlace(const std::string& common_name) {
    Shell(absl::StrCat("cat ", made_[common_name].key, " >plain.key; cat ",
                       made_[common_name].certificate, " >plain.crt"));
  }
  void WriteHalf(const std::string& common_name) {
    const std::string whole = ReadFile(made_[common_name].certificate);
    dir().WriteFile("plain.crt", whole.substr(0, whole.size() / 2));
  }
  void WriteMismatch(const std::string& common_name) {
    Shell(absl::StrCat("cat ", made_[common_name].key, " >plain.key"));
  }
  void SwapLink(const std::string& generation) {
    Shell(absl::StrCat("ln -s ..data-kube-", generation,
                       " kube/..new; mv -T kube/..new kube/..data"));
  }

  // The common name of what is served for `name`; what went wrong if the handshake fails: it does,
  // where a certificate is served with another's key.
  std::string Served(const std::string& name) {
    auto client = TlsClient::Open(tlsbridge().address(), {.server_name = name + ".internal"});
    if (!client.ok()) return std::string(client.status().message());
    if (!client->Write("hello\n").ok() || client->ReadExactly(6).value_or("") != "hello\n") {
      return "no echo";
    }
    bssl::UniquePtr<X509> leaf(SSL_get_peer_certificate(client->ssl()));
    char common_name[64] = "";
    X509_NAME_get_text_by_NID(X509_get_subject_name(leaf.get()), NID_commonName, common_name,
                              sizeof(common_name));
    return common_name;
  }

  // Waits for that many of one name in all.
  bool Wait(absl::string_view event, size_t count) {
    return tlsbridge().WaitForEvents(event, count).size() >= count;
  }

  TcpBackend backend_{EchoLines};
  std::map<std::string, CertificateFiles> made_;
};

TEST_F(RotationTest, TwoHundredUnderLoadFailNoHandshakeAndServeNoWrongPair) {
  std::atomic<bool> stop = false;
  std::atomic<int> served = 0;
  std::vector<std::string> wrong[2];
  std::vector<std::thread> clients;
  for (const int i : {0, 1}) {
    clients.emplace_back([&, i] {
      const std::string name = i == 0 ? "plain" : "kube";
      while (!stop) {
        const std::string common_name = Served(name);
        if (common_name == name + "-1" || common_name == name + "-2") {
          ++served;
        } else {
          wrong[i].push_back(common_name);
        }
      }
    });
  }
  size_t renewed = 0;
  size_t refused = 0;
  std::string plain = "1";
  std::string kube = "1";
  const auto flip = [](std::string& generation) {
    return generation = generation == "1" ? "2" : "1";
  };
  for (int i = 0; i < 200 && !HasFailure(); ++i) {
    switch (i % 5) {
      case 0:
        Rename("plain-" + flip(plain));
        break;
      case 1:
        SwapLink(flip(kube));
        break;
      case 2:
        WriteInPlace("plain-" + flip(plain));
        break;
      case 3:
        WriteHalf(plain == "1" ? "plain-2" : "plain-1");
        break;
      case 4:
        WriteInPlace("plain-" + plain);  // mends the half of before
        ASSERT_TRUE(Wait("renewed", ++renewed)) << i;
        WriteMismatch(plain == "1" ? "plain-2" : "plain-1");
        break;
    }
    if (i % 5 < 3) {
      ASSERT_TRUE(Wait("renewed", ++renewed)) << i;
    } else {
      ASSERT_TRUE(Wait("renewal_refused", ++refused)) << i;
    }
    EXPECT_EQ(Served("plain"), "plain-" + plain) << i;
    EXPECT_EQ(Served("kube"), "kube-" + kube) << i;
  }
  stop = true;
  for (std::thread& client : clients) client.join();
  EXPECT_THAT(wrong[0], testing::IsEmpty());
  EXPECT_THAT(wrong[1], testing::IsEmpty());
  EXPECT_GE(served, 200);
  EXPECT_EQ(tlsbridge().Events("renewed").size(), renewed) << "each is told once";
  EXPECT_EQ(tlsbridge().Events("renewal_refused").size(), refused) << "each is told once";
}

TEST_F(RotationTest, AConnectionOutlivesItsCertificateAndARefusalNamesFileAndReason) {
  auto client = TlsClient::Open(tlsbridge().address(), {.server_name = "plain.internal"});
  ASSERT_TRUE(client.ok()) << client.status();
  WriteMismatch("plain-2");
  const auto refusal = tlsbridge().WaitForEvent("renewal_refused");
  ASSERT_TRUE(refusal.has_value());
  EXPECT_EQ((*refusal)["message"],
            absl::StrCat(dir().PathOf("plain.key"),
                         ": this private key does not belong to the certificate in ",
                         dir().PathOf("plain.crt"), "; use the key that it was issued for"));
  EXPECT_EQ((*refusal)["level"], "error");
  const CurlResult list =
      Curl(certificates().authority_certificate(),
           {"--unix-socket", dir().PathOf("admin"), "http://admin/certificates"});
  const auto json = nlohmann::json::parse(list.body, nullptr, false)["certificates"];
  ASSERT_EQ(json.size(), 2u) << list.body;
  EXPECT_EQ(json[0]["file"], dir().PathOf("plain.crt"));
  EXPECT_EQ(json[0]["names"], nlohmann::json({"plain.internal"}));
  EXPECT_EQ(json[0]["not_after"], "2036-01-01T00:00:00Z");
  EXPECT_EQ(json[0]["problem"], (*refusal)["message"]);
  EXPECT_FALSE(json[1].contains("problem"));
  Rename("plain-2");
  const auto renewed = tlsbridge().WaitForEvent("renewed");
  ASSERT_TRUE(renewed.has_value());
  EXPECT_EQ((*renewed)["files"],
            absl::StrCat(dir().PathOf("plain.crt"), " ", dir().PathOf("plain.key")));
  EXPECT_EQ(Served("plain"), "plain-2");
  ASSERT_TRUE(client->Write("still\n").ok());
  EXPECT_EQ(client->ReadExactly(6).value_or(""), "still\n");
}

TEST_F(RotationTest, AFileThatGoesAwayIsRefusedAndServedFromMemory) {
  Shell("rm plain.crt");
  const auto refusal = tlsbridge().WaitForEvent("renewal_refused");
  ASSERT_TRUE(refusal.has_value());
  EXPECT_THAT(std::string((*refusal)["message"]), HasSubstr("plain.crt: cannot be read: "));
  EXPECT_EQ(Served("plain"), "plain-1");
  Rename("plain-2");
  EXPECT_TRUE(tlsbridge().WaitForEvent("renewed"));
  EXPECT_EQ(Served("plain"), "plain-2");
}

}  // namespace
}  // namespace tlsbridge::e2e
