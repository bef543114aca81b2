// `tlsbridge doctor` before set-ups that are broken, each in its own way: all that it says of them,
// but for what it says of the machine.
//
// A set-up is a file of doctor/, with the addresses of what runs here by name: $DEAD. With
// TLSBRIDGE_WRITE_EXPECTED=FOLDER in the environment, what is said is written there instead.

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <regex>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/e2e/harness/certificates.h"
#include "tests/e2e/harness/tcp_backend.h"
#include "tests/e2e/harness/tlsbridge_test.h"
#include "tests/e2e/support/authority_files.h"
#include "tests/e2e/support/free_address.h"
#include "tests/e2e/support/nginx.h"
#include "tests/e2e/support/openssl.h"
#include "tests/e2e/support/run_program.h"
#include "tests/support/expected_files.h"

namespace tlsbridge::e2e {
namespace {

using ::testing::HasSubstr;

using tlsbridge::testing::ContentOf;

constexpr char kFolder[] = "tests/e2e/doctor";

// Files and services for all of them.
class World {
 public:
  World() {
    const Certificates ca(dir_, "ca");
    const Certificates other_ca(dir_, "otherca");
    ca.Issue();
    ca.Issue({.name = "other"});
    AuthorityFiles authority(dir_, "ca");
    authority.Reissue(ca.Issue({.name = "expired"}), "20200101000000Z", "20200201000000Z");
    authority.Reissue(ca.Issue({.name = "early"}), "20900101000000Z", "20910101000000Z");
    authority.Reissue(ca.Issue({.name = "soon"}), "20200101000000Z", Tomorrow());
    const CertificateFiles open = ca.Issue({.name = "open"});
    chmod(open.key.c_str(), 0644);
    ca.Issue({.name = "nameless", .alt_names = {}});
    const Certificates middle = ca.IssueAuthority("middle");
    const CertificateFiles leaf = middle.Issue({.name = "leaf"});
    dir_.WriteFile("backwards.crt", ContentOf(leaf.certificate) + ContentOf(dir_.PathOf("ca.crt")) +
                                        ContentOf(dir_.PathOf("middle.crt")));
    dir_.WriteFile("foreign.crt",
                   ContentOf(leaf.certificate) + ContentOf(other_ca.authority_certificate()));
    MakeOneThatComesAlone();
    dir_.WriteFile("short.secret", "0123456789ab");
    std::filesystem::create_directory(dir_.PathOf("folder"));
    const CertificateFiles files = {dir_.PathOf("localhost.crt"), dir_.PathOf("localhost.key")};
    tls_ = *SServer::Start(files);
    const std::string https = absl::StrCat("ssl; ssl_certificate ", files.certificate,
                                           "; ssl_certificate_key ", files.key);
    nginx_ = *Nginx::Start(dir_, "", "proxy_protocol " + https);
    names_ = {{"$ECHO", echo_.address()},    {"$BUSY", busy_.address()},
              {"$HTTP", http_.address()},    {"$TLS", tls_->address()},
              {"$PROXY", nginx_->address()}, {"$DEAD", FreeAddress(1)},
              {"$LISTEN", FreeAddress(2)},   {"$ADMIN", FreeAddress(3)}};
  }

  std::string Write(std::string yaml) const {
    for (const auto& [name, address] : names_) yaml = absl::StrReplaceAll(yaml, {{name, address}});
    return dir_.WriteFile("tlsbridge.yaml", yaml);
  }

  // What is the same each time.
  std::string Constant(const std::string& said) const {
    std::string kept;
    bool of_machine = false;
    for (const absl::string_view line : absl::StrSplit(said, '\n')) {
      if (!absl::StartsWith(line, " "))
        of_machine = absl::StrContains(line.substr(0, 20), " machine ");
      // It counts those of the machine, too.
      const bool is_sum =
          absl::StrContains(line, " failure") && absl::StrContains(line, " warning");
      if (!of_machine && !is_sum && !line.empty()) absl::StrAppend(&kept, line, "\n");
    }
    for (const auto& [name, address] : names_) {
      // A port alone, too.
      kept = absl::StrReplaceAll(kept, {{address, name}, {":" + PortOf(address), ":PORT"}});
    }
    kept = absl::StrReplaceAll(kept, {{dir_.path(), "DIR"}});
    kept = std::regex_replace(kept, std::regex("[0-9]+ (hours|days)"), "SOME $1");
    kept = std::regex_replace(kept, std::regex("20(2[6-9]|[3-7][0-9])-..-.. ..:..:.. UTC"), "DATE");
    kept = std::regex_replace(kept, std::regex("@127[0-9.]* -p [0-9]+"), "@HOST -p PORT");
    return std::regex_replace(kept, std::regex("(process|-fp) [0-9]+"), "$1 PID");
  }
  const TempDir& dir() const { return dir_; }

 private:
  static std::string Tomorrow() {
    return absl::FormatTime("%Y%m%d%H%M%SZ", absl::Now() + absl::Hours(30), absl::UTCTimeZone());
  }
  void MakeOneThatComesAlone() const {
    const std::string base = dir_.PathOf("alone");
    Openssl({"req", "-new", "-nodes", "-newkey", "rsa:2048", "-subj", "/CN=alone", "-addext",
             "subjectAltName=DNS:localhost", "-addext",
             "authorityInfoAccess=caIssuers;URI:http://ca.internal/middle.cer", "-keyout",
             base + ".key", "-out", base + ".csr"});
    Openssl({"x509", "-req", "-in", base + ".csr", "-CA", dir_.PathOf("middle.crt"), "-CAkey",
             dir_.PathOf("middle.key"), "-copy_extensions", "copyall", "-days", "2", "-out",
             base + ".crt"});
  }

  TempDir dir_;
  TcpBackend echo_{&EchoBytes};
  TcpBackend busy_{&EchoBytes};
  TcpBackend http_{[](Socket& connection) {
    if (connection.ReadSome().ok()) (void)connection.Write("HTTP/1.1 400 Bad Request\r\n\r\n");
  }};
  std::unique_ptr<SServer> tls_;
  std::unique_ptr<Nginx> nginx_;
  std::vector<std::pair<std::string, std::string>> names_;
};

class DoctorTest : public ::testing::TestWithParam<std::string> {
 protected:
  static void SetUpTestSuite() { world_ = new World; }
  static void TearDownTestSuite() { delete world_; }
  static World* world_;
};
World* DoctorTest::world_ = nullptr;

TEST_P(DoctorTest, SaysWhatIsWrongAndWhatMendsIt) {
  const std::string path = absl::StrCat(kFolder, "/", GetParam());
  const std::string file = world_->Write(ContentOf(path + ".yaml"));
  const ProgramResult result = RunProgram({"doctor", "--config", file});
  EXPECT_EQ(result.errors, "");
  const std::string said = world_->Constant(result.output);
  if (tlsbridge::testing::WritesExpected(GetParam(), said)) return;
  EXPECT_EQ(said, ContentOf(path + ".expected"));
  const bool fails = absl::StrContains("\n" + said, "\nfail ");
  EXPECT_TRUE(fails || absl::StrContains("\n" + said, "\nwarn ")) << "nothing is broken";
  EXPECT_EQ(result.exit_code, fails ? 1 : 0);
}

INSTANTIATE_TEST_SUITE_P(Broken, DoctorTest,
                         ::testing::ValuesIn(tlsbridge::testing::NamesOfInputs(kFolder)),
                         tlsbridge::testing::TestNameOf);

TEST(Doctor, KnowsMoreThanTwentySetUps) {
  EXPECT_GT(tlsbridge::testing::NamesOfInputs(kFolder).size(), 20u);
}

class DoctorOfARunningTest : public TlsbridgeTest {};

TEST_F(DoctorOfARunningTest, AddressesThatItHoldsAreNoMistakeAndAllIsWell) {
  const std::string listen = FreeAddress(1);
  const TcpBackend backend(&EchoBytes);
  const std::string admin = absl::StrCat("unix:", dir().PathOf("admin"));
  ASSERT_NO_FATAL_FAILURE(StartRun(
      absl::StrCat("listeners: [{address: \"", listen, "\"}]\nadmin: {address: \"", admin,
                   "\"}\nroutes:\n  - name: a\n    tls: {certificates: [{cert: localhost.crt, key: "
                   "localhost.key}]}\n    backends: [{address: \"",
                   backend.address(), "\"}]\n")));
  const ProgramResult result = RunProgram({"doctor", "--config", dir().PathOf("tlsbridge.yaml")});
  EXPECT_EQ(result.exit_code, 0) << result.output;
  EXPECT_THAT(result.output, HasSubstr(absl::StrCat("listener ", listen,
                                                    " is in use by a running tlsbridge, process ",
                                                    tlsbridge().process().pid())));
  EXPECT_THAT(result.output,
              HasSubstr(absl::StrCat("admin address ", admin, " is in use by a running tls")));
}

TEST_F(DoctorOfARunningTest, FlagsAndJsonSayTheSame) {
  const CertificateFiles files = certificates().Issue();
  const ProgramResult result =
      RunProgram({"doctor", "--json", "--listen", FreeAddress(1), "--backend", FreeAddress(2),
                  "--cert", files.certificate, "--key", files.certificate, "--balance", "fast"});
  EXPECT_EQ(result.exit_code, 1);
  const auto json = nlohmann::json::parse(result.output, nullptr, /*allow_exceptions=*/false);
  ASSERT_TRUE(json.is_object()) << result.output;
  EXPECT_EQ(json["health"], "fail");
  std::string failures;
  for (const auto& finding : json["findings"]) {
    if (finding["health"] != "fail") continue;
    absl::StrAppend(&failures, finding["what"].get<std::string>(), "\n");
    EXPECT_NE(finding["do"], "") << finding;
  }
  EXPECT_THAT(failures, HasSubstr("--balance: 'fast'"));
  EXPECT_THAT(failures, HasSubstr("--cert: "));
  EXPECT_THAT(failures, HasSubstr("does not accept connections"));
}

TEST_F(DoctorOfARunningTest, BadFlagsAreRefused) {
  EXPECT_EQ(RunProgram({"doctor"}).exit_code, 2);
  EXPECT_EQ(RunProgram({"doctor", "--config", "x", "--listen", "127.0.0.1:1"}).exit_code, 2);
  EXPECT_EQ(RunProgram({"doctor", "--config", dir().PathOf("none.yaml")}).exit_code, 1);
}

}  // namespace
}  // namespace tlsbridge::e2e
