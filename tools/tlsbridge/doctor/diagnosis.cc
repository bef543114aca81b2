#include "tools/tlsbridge/doctor/diagnosis.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "nlohmann/json.hpp"

namespace tlsbridge {
namespace {

constexpr const char* kNames[] = {"ok", "warn", "fail"};

const char* NameOf(Health health) { return kNames[static_cast<size_t>(health)]; }

void KeepToOneLine(std::string* text) {
  std::replace_if(
      text->begin(), text->end(), [](unsigned char c) { return absl::ascii_iscntrl(c); }, ' ');
}

std::string Counted(int64_t count, absl::string_view one, absl::string_view many) {
  return absl::StrCat(count, " ", count == 1 ? one : many);
}

}  // namespace

void Diagnosis::Add(Finding finding) {
  KeepToOneLine(&finding.what);
  KeepToOneLine(&finding.remedy);
  findings_.push_back(std::move(finding));
}

Health Diagnosis::worst() const {
  Health worst = Health::kOk;
  for (const Finding& finding : findings_) worst = std::max(worst, finding.health);
  return worst;
}

std::string Diagnosis::Sum() const {
  int64_t counts[3] = {};
  for (const Finding& finding : findings_) ++counts[static_cast<size_t>(finding.health)];
  if (worst() == Health::kOk) return "no problems found";
  return absl::StrCat(Counted(counts[2], "failure", "failures"), ", ",
                      Counted(counts[1], "warning", "warnings"));
}

std::string Diagnosis::ToText() const {
  std::string text;
  for (const Finding& finding : findings_) {
    absl::StrAppendFormat(&text, "%-4s  %-12s  %s\n", NameOf(finding.health), finding.area,
                          finding.what);
    if (!finding.remedy.empty()) absl::StrAppendFormat(&text, "%20sdo: %s\n", "", finding.remedy);
  }
  return absl::StrCat(text, Sum(), "\n");
}

std::string Diagnosis::ToJson() const {
  nlohmann::ordered_json findings = nlohmann::ordered_json::array();
  for (const Finding& finding : findings_) {
    findings.push_back({{"health", NameOf(finding.health)},
                        {"area", finding.area},
                        {"what", finding.what},
                        {"do", finding.remedy}});
  }
  const nlohmann::ordered_json all = {
      {"health", NameOf(worst())}, {"sum", Sum()}, {"findings", std::move(findings)}};
  return all.dump(2, ' ', /*ensure_ascii=*/false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace tlsbridge
