#include "tools/tlsbridge/version.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "bridge/event/libevent_ptr.h"
#include "linked_versions.h"
#include "nlohmann/json.hpp"
#include "router/config/version.h"
#include "tls/server_context.h"
#include "tools/tlsbridge/exit_codes.h"

namespace tlsbridge {
namespace {

using Json = nlohmann::ordered_json;

constexpr char kUsage[] =
    "Prints the program's version, and those of BoringSSL and libevent.\n"
    "\n"
    "  tlsbridge --version --verbose\n";

#ifdef __clang__
constexpr char kCompiler[] = __VERSION__;  // begins with its name
#else
constexpr char kCompiler[] = "GCC " __VERSION__;
#endif

constexpr char kNoAssertion[] = "NOASSERTION";

std::string Versions() {
  std::string lines;
  for (const LinkedLibrary& library : kLinkedLibraries) {
    absl::StrAppend(&lines, library.name, " ", library.version, "\n");
  }
  return lines;
}

// FNV-1a: documents that say the same have the same name.
std::string Fingerprint(absl::string_view text) {
  uint64_t hash = 14695981039346656037u;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
  return absl::StrCat(absl::Hex(hash, absl::kZeroPad16));
}

std::string IdOf(absl::string_view name) { return absl::StrCat("SPDXRef-", name); }

Json PackageOf(absl::string_view name, absl::string_view version, absl::string_view license) {
  return {{"name", std::string(name)},
          {"SPDXID", IdOf(name)},
          {"versionInfo", std::string(version)},
          {"downloadLocation", kNoAssertion},
          {"filesAnalyzed", false},
          {"licenseConcluded", std::string(license)},
          {"licenseDeclared", std::string(license)},
          {"copyrightText", kNoAssertion}};
}

// Scanners find by it what is known of a package: github.com/package-url.
Json PackageUrl(const LinkedLibrary& library) {
  const std::string version =
      absl::StrReplaceAll(library.version, {{"+", "%2B"}, {":", "%3A"}, {" ", "%20"}});
  const bool is_debian = *library.package != '\0';
  return {{"referenceCategory", "PACKAGE-MANAGER"},
          {"referenceType", "purl"},
          {"referenceLocator",
           is_debian ? absl::StrCat("pkg:deb/debian/", library.package, "@", version)
                     : absl::StrCat("pkg:generic/", absl::AsciiStrToLower(library.name), "@",
                                    version.substr(0, version.find('%')))}};
}

absl::Time CreationTime() {
  const char* const epoch = getenv("SOURCE_DATE_EPOCH");
  int64_t seconds = 0;
  if (epoch == nullptr || !absl::SimpleAtoi(epoch, &seconds)) return absl::Now();
  return absl::FromUnixSeconds(seconds);
}

int Run(const Command::Given& given) {
  const bool sbom = given.flags.IsOn("sbom", false);
  const bool verbose = given.flags.IsOn("verbose", false);
  if (sbom && verbose) {
    return RefuseToStart(absl::InvalidArgumentError(
        "--sbom cannot be combined with --verbose; use one or the other"));
  }
  if (sbom) {
    fputs(BillOfMaterials(CreationTime()).c_str(), stdout);
    return kExitOk;
  }
  printf("tlsbridge %s\n%s\nlibevent %s\n", kVersion, tls::LibraryVersion(), LibeventVersion());
  if (verbose) printf("\ncompiled by %s, linked with\n%s", kCompiler, Versions().c_str());
  return kExitOk;
}

}  // namespace

std::string BillOfMaterials(absl::Time created) {
  Json packages = Json::array({PackageOf("tlsbridge", kVersion, "Apache-2.0")});
  Json relationships = Json::array({{{"spdxElementId", "SPDXRef-DOCUMENT"},
                                     {"relationshipType", "DESCRIBES"},
                                     {"relatedSpdxElement", IdOf("tlsbridge")}}});
  for (const LinkedLibrary& library : kLinkedLibraries) {
    Json package = PackageOf(library.name, library.version, library.license);
    package["externalRefs"] = Json::array({PackageUrl(library)});
    packages.push_back(std::move(package));
    relationships.push_back({{"spdxElementId", IdOf("tlsbridge")},
                             {"relationshipType", "STATIC_LINK"},
                             {"relatedSpdxElement", IdOf(library.name)}});
  }
  const std::string name = absl::StrCat("tlsbridge-", kVersion);
  const Json document = {
      {"spdxVersion", "SPDX-2.3"},
      {"dataLicense", "CC0-1.0"},
      {"SPDXID", "SPDXRef-DOCUMENT"},
      {"name", name},
      {"documentNamespace",
       absl::StrCat("https://spdx.org/spdxdocs/", name, "-", Fingerprint(Versions() + kCompiler))},
      {"creationInfo",
       {{"created", absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", created, absl::UTCTimeZone())},
        {"creators", Json::array({absl::StrCat("Tool: ", name)})},
        {"comment", absl::StrCat("compiled by ", kCompiler)}}},
      {"packages", std::move(packages)},
      {"relationships", std::move(relationships)}};
  return document.dump(2) + "\n";
}

Command VersionCommand() {
  return {
      "version",
      "prints the version, like --version; --verbose, --sbom",
      "",
      kUsage,
      {{"Version",
        {{"verbose", "Also print the compiler and every linked library.", "", Flag::Kind::kSwitch},
         {"sbom",
          "Print a software bill of materials of all that is linked (SPDX 2.3, JSON), dated "
          "SOURCE_DATE_EPOCH if that is set.",
          "", Flag::Kind::kSwitch}}}},
      &Run};
}

}  // namespace tlsbridge
