#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "router/live/renewal/watch_plan.h"
#include "tools/tlsbridge/doctor/exams.h"

namespace tlsbridge {
namespace {

constexpr char kArea[] = "config";

// What mends what `check` says: the first row whose words are in it. FILE is the file that it is
// about, OTHER the one that goes with it, FOLDER where it is.
struct Remedy {
  const char* words;
  const char* remedy;
};
constexpr Remedy kRemedies[] = {
    {"No such file or directory", "ls -l FOLDER; create the file, or correct its name"},
    {"Permission denied",
     "namei -l FILE; run tlsbridge as a user who can read it, or chown or chmod it"},
    {"Is a directory", "name the file in it: ls -l FILE"},
    {"world-readable", "chmod o-r FILE"},
    {"does not belong to the certificate",
     "openssl x509 -noout -pubkey -in OTHER; openssl pkey -pubout -in FILE; the two must match: "
     "use the key that the certificate was requested with"},
    {"is not valid before",
     "timedatectl (is the clock right?); else openssl x509 -noout -dates -in FILE, and wait or "
     "issue another"},
    {"wrong order",
     "put the leaf first, then each one's issuer: openssl crl2pkcs7 -nocrl -certfile FILE | "
     "openssl pkcs7 -print_certs -noout"},
    {"the chain breaks there",
     "append the issuers of the first certificate, and nothing else: openssl crl2pkcs7 -nocrl "
     "-certfile FILE | openssl pkcs7 -print_certs -noout"},
    {"nothing may follow it",
     "leave out what follows: openssl crl2pkcs7 -nocrl -certfile FILE | openssl pkcs7 "
     "-print_certs -noout"},
    {"its nextUpdate has passed",
     "fetch the CRL again: openssl crl -noout -nextupdate -in FILE shows when it expires"},
    {"expired", "renew it: openssl x509 -noout -dates -in FILE shows when it expired"},
    {"no certificate on this route covers",
     "issue a certificate for that name, or correct match.domains: openssl x509 -noout -ext "
     "subjectAltName -in FILE"},
    {"holds no PEM certificate", "head -1 FILE; name a file that begins with BEGIN CERTIFICATE"},
    {"holds no PEM private key",
     "head -1 FILE; name the key's file, which begins with BEGIN PRIVATE KEY"},
    {"a shared secret of", "openssl rand -base64 48 > FILE, once, and copy it to all replicas"},
    {"overlaps", "give one of them another port"},
};

// The file that a problem is about: what is named where it is, or what its message begins with;
// and the certificate of a key.
struct About {
  std::string file;
  std::string other;
};
About FilesOf(const ParsedConfig& parsed, const Problem& problem) {
  About about;
  for (const NamedFile& named : parsed.files) {
    const std::string& path = named.where.path;
    const bool here = path == problem.path;
    if (here || absl::StrContains(problem.message, named.file)) {
      if (here || about.file.empty()) about.file = named.file;
    }
    const std::string of_key = absl::StrReplaceAll(problem.path, {{"].key", "].cert"}});
    if (path == of_key && !here) about.other = named.file;
    // Of a route's names: its first certificate.
    const std::string route = problem.path.substr(0, problem.path.find('.'));
    if (about.file.empty() && absl::StrContains(problem.path, ".match.") &&
        absl::StartsWith(path, route + ".tls.certificates")) {
      about.file = named.file;
    }
  }
  return about;
}

std::string RemedyOf(const Patient& patient, const Problem& problem) {
  const About about = FilesOf(patient.parsed, problem);
  const auto* const row = std::find_if(
      std::begin(kRemedies), std::end(kRemedies),
      [&](const Remedy& known) { return absl::StrContains(problem.message, known.words); });
  const bool needs_file =
      row != std::end(kRemedies) && absl::StrContains(row->remedy, "FILE") && about.file.empty();
  if (row != std::end(kRemedies) && !needs_file) {
    return absl::StrReplaceAll(
        row->remedy,
        {{"FILE", about.file}, {"OTHER", about.other}, {"FOLDER", FolderOf(about.file)}});
  }
  if (patient.config_file.empty()) return "tlsbridge sidecar --help describes every flag";
  return absl::StrCat("edit ", patient.config_file,
                      "; tlsbridge check --reference describes every key");
}

}  // namespace

void ExamineConfig(const Patient& patient, Diagnosis* diagnosis) {
  for (const std::string& mistake : patient.of_flags) {
    diagnosis->Fail(kArea, mistake, "tlsbridge sidecar --help describes every flag");
  }
  const auto problems = patient.config_file.empty() ? patient.files.problems
                                                    : AllProblems(patient.parsed, patient.files);
  for (const Problem& problem : problems) {
    diagnosis->Fail(kArea, patient.describe(problem), RemedyOf(patient, problem));
  }
  for (const Problem& warning : patient.files.warnings) {
    diagnosis->Warn(kArea, patient.describe(warning), RemedyOf(patient, warning));
  }
  if (!patient.of_flags.empty() || !problems.empty()) return;
  const auto counted = [](size_t count, absl::string_view thing) {
    return absl::StrCat(count, " ", thing, count == 1 ? "" : "s");
  };
  diagnosis->Ok(kArea, absl::StrCat(patient.config_file, patient.config_file.empty() ? "" : ": ",
                                    counted(patient.parsed.config.listeners.size(), "listener"),
                                    ", ", counted(patient.parsed.config.routes.size(), "route")));
}

}  // namespace tlsbridge
