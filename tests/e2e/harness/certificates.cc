#include "tests/e2e/harness/certificates.h"

#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tests/e2e/harness/process.h"

namespace tlsbridge::e2e {
namespace {

void Openssl(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "openssl");
  const auto output = RunToEnd(std::move(arguments));
  if (output.ok()) return;
  std::fprintf(stderr, "%s\n", std::string(output.status().message()).c_str());
  std::abort();
}

std::vector<std::string> NewKey(KeyType type) {
  if (type == KeyType::kRsa) return {"-newkey", "rsa:2048"};
  return {"-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"};
}

std::vector<std::string> Join(std::vector<std::string> first,
                              const std::vector<std::string>& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

CertificateFiles FilesOf(const TempDir& dir, absl::string_view name) {
  return {.certificate = dir.PathOf(absl::StrCat(name, ".crt")),
          .key = dir.PathOf(absl::StrCat(name, ".key"))};
}

std::string Subject(const CertificateOptions& options) {
  const std::string& unit = options.organizational_unit;
  return absl::StrCat(unit.empty() ? "" : "/OU=", unit, "/CN=", options.name);
}

}  // namespace

Certificates::Certificates(const TempDir& dir, absl::string_view authority, KeyType key_type)
    : dir_(dir), authority_(FilesOf(dir, authority)) {
  Openssl(Join(
      {"req", "-x509", "-nodes", "-days", "2", "-subj", absl::StrCat("/CN=", authority), "-addext",
       "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign",
       "-keyout", authority_.key, "-out", authority_.certificate},
      NewKey(key_type)));
}

Certificates::Certificates(const TempDir& dir, CertificateFiles authority)
    : dir_(dir), authority_(std::move(authority)) {}

CertificateFiles Certificates::Issue(const CertificateOptions& options) const {
  std::vector<std::string> extensions = {"basicConstraints=critical,CA:FALSE"};
  if (!options.alt_names.empty()) {
    extensions.push_back(absl::StrCat("subjectAltName=", absl::StrJoin(options.alt_names, ",")));
  }
  return Sign(options, extensions);
}

Certificates Certificates::IssueAuthority(absl::string_view name) const {
  return Certificates(
      dir_, Sign({.name = std::string(name)},
                 {"basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign"}));
}

CertificateFiles Certificates::Sign(const CertificateOptions& options,
                                    const std::vector<std::string>& extensions) const {
  CertificateFiles files = FilesOf(dir_, options.name);
  const std::string request = dir_.PathOf(absl::StrCat(options.name, ".csr"));
  std::vector<std::string> arguments = {"req",     "-new",    "-nodes", "-subj", Subject(options),
                                        "-keyout", files.key, "-out",   request};
  for (const std::string& extension : extensions) {
    arguments.insert(arguments.end(), {"-addext", extension});
  }
  Openssl(Join(std::move(arguments), NewKey(options.key_type)));
  // In two steps, since only this one takes a negative number of days.
  Openssl({"x509", "-req", "-in", request, "-CA", authority_.certificate, "-CAkey", authority_.key,
           "-copy_extensions", "copyall", "-days", absl::StrCat(options.days), "-out",
           files.certificate});
  return files;
}

}  // namespace tlsbridge::e2e
