#include "tests/e2e/support/authority_files.h"

#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "gtest/gtest.h"
#include "tests/e2e/harness/process.h"

namespace tlsbridge::e2e {
namespace {

std::string Run(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "openssl");
  const auto output = RunToEnd(std::move(arguments));
  EXPECT_TRUE(output.ok()) << output.status();
  return output.value_or("");
}

}  // namespace

AuthorityFiles::AuthorityFiles(const TempDir& dir, const std::string& name)
    : dir_(dir),
      certificate_(dir.PathOf(absl::StrCat(name, ".crt"))),
      key_(dir.PathOf(absl::StrCat(name, ".key"))),
      database_(dir.WriteFile("index.txt", "")),
      config_(dir.WriteFile(
          "ca.cnf",
          absl::StrCat("[ca]\ndefault_ca = this\n[this]\ndatabase = ", database_,
                       "\nserial = ", dir.PathOf("serial.txt"), "\nnew_certs_dir = ", dir.path(),
                       "\ndefault_md = sha256\npolicy = any\ncopy_extensions = copyall\n"
                       "unique_subject = no\n[any]\ncommonName = supplied\n"))) {}

void AuthorityFiles::NoteIssued(const std::string& certificate) { Note(certificate, "V\t"); }

void AuthorityFiles::Revoke(const std::string& certificate) { Note(certificate, "R\t"); }

void AuthorityFiles::Note(const std::string& certificate, const std::string& status) {
  const std::string printed = Run({"x509", "-noout", "-serial", "-in", certificate});
  absl::string_view serial = absl::StripAsciiWhitespace(printed);
  absl::ConsumePrefix(&serial, "serial=");
  const bool revoked = status[0] == 'R';
  const std::string old = RunToEnd({"cat", database_}).value_or("");
  dir_.WriteFile("index.txt",
                 absl::StrCat(old, status, "491231000000Z\t", revoked ? "200101000000Z" : "", "\t",
                              serial, "\tunknown\t/CN=any\n"));
}

std::string AuthorityFiles::MakeCrl(const std::string& file_name) const {
  std::string path = dir_.PathOf(file_name);
  Run({"ca", "-config", config_, "-gencrl", "-keyfile", key_, "-cert", certificate_, "-crldays",
       "2", "-out", path});
  return path;
}

std::string AuthorityFiles::MakeOcspResponse(const std::string& certificate,
                                             const std::string& file_name) const {
  std::string path = dir_.PathOf(file_name);
  Run({"ocsp", "-index", database_, "-CA", certificate_, "-rsigner", certificate_, "-rkey", key_,
       "-issuer", certificate_, "-cert", certificate, "-ndays", "1", "-respout", path});
  return path;
}

void AuthorityFiles::Reissue(const CertificateFiles& files, const std::string& not_before,
                             const std::string& not_after) const {
  std::string request = files.certificate;
  request.replace(request.size() - 4, 4, ".csr");
  Run({"ca", "-batch", "-config", config_, "-rand_serial", "-notext", "-startdate", not_before,
       "-enddate", not_after, "-keyfile", key_, "-cert", certificate_, "-in", request, "-out",
       files.certificate});
}

}  // namespace tlsbridge::e2e
