// Many certificates in one context. For figures:
//   bazel test //tests/tls:certificate_scale_test --test_env=CERTIFICATES=10000 --test_output=all

#include <malloc.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fstream>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "tests/tls/test_certificates.h"
#include "tls/server_context.h"

namespace tlsbridge::tls {
namespace {

using ::tlsbridge::testing::CertificateShape;
using ::tlsbridge::testing::MakeCertificate;
using ::tlsbridge::testing::TestCertificate;

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

int Count() {
  int count = 0;
  const char* text = getenv("CERTIFICATES");
  return text != nullptr && absl::SimpleAtoi(text, &count) ? count : 500;
}

// CPU time and resident memory so far.
void Print(const char* what) {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  size_t total_pages = 0;
  size_t resident_pages = 0;
  std::ifstream("/proc/self/statm") >> total_pages >> resident_pages;
  std::cout << what << ": " << absl::DurationFromTimeval(usage.ru_utime) << " of CPU, "
            << resident_pages * static_cast<size_t>(sysconf(_SC_PAGESIZE)) / 1024 << " KiB resident"
            << std::endl;
}

CertificateShape Shape(const std::string& name, bool ca) {
  CertificateShape shape;
  shape.common_name = name;
  if (!ca) shape.alternative_names = absl::StrCat("DNS:", name, ",DNS:*.", name);
  shape.ca = ca;
  shape.not_before = kNow - absl::Hours(1);
  shape.not_after = kNow + absl::Hours(1);
  return shape;
}

TEST(CertificateScale, EachOfManyCertificatesIsFoundByItsNames) {
  const int count = Count();
  const TestCertificate root = MakeCertificate(Shape("Root", true), nullptr);
  const TestCertificate issuer = MakeCertificate(Shape("Issuer", true), &root);
  std::vector<std::pair<std::string, std::string>> pems;
  for (int i = 0; i < count; ++i) {
    const TestCertificate leaf = MakeCertificate(Shape(absl::StrCat("h", i, ".a"), false), &issuer);
    pems.emplace_back(absl::StrCat(leaf.CertificatePem(), issuer.CertificatePem()), leaf.KeyPem());
  }
  Print("made");
  std::unique_ptr<ServerContext> context;
  {
    ServerOptions options;
    CertificateBytes bytes;
    for (const auto& [certificate, key] : pems) {
      auto pair = ParseKeyPair(certificate, "tls.crt", key, "tls.key", kNow);
      ASSERT_TRUE(pair.ok()) << pair.status();
      Certificate loaded;
      loaded.pair = *std::move(pair);
      options.certificates.push_back(MakeCredential(loaded, &bytes).value());
    }
    Print("parsed");
    auto created = ServerContext::Create(options);
    ASSERT_TRUE(created.ok()) << created.status();
    context = *std::move(created);
    Print("in a context");
  }
  malloc_trim(0);
  Print("without the parsed ones");
  ClientHello hello;
  hello.versions = {0x0304};
  hello.signature_algorithms = {0x0403};
  const Credential* before = nullptr;
  for (int i = 0; i < count; ++i) {
    hello.server_name = absl::StrCat("h", i, ".a");
    const Credential* chosen = context->Choose(hello, kNow).credential;
    ASSERT_NE(chosen, before) << i;
    hello.server_name = absl::StrCat("any.h", i, ".a");
    ASSERT_EQ(context->Choose(hello, kNow).credential, chosen) << i;
    before = chosen;
  }
  Print("each looked up twice");
}

}  // namespace
}  // namespace tlsbridge::tls
