#include "tests/e2e/support/curl.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/e2e/harness/process.h"

namespace tlsbridge::e2e {

CurlResult Curl(const std::string& authority, std::vector<std::string> arguments,
                absl::Duration timeout) {
  std::vector<std::string> argv = {"curl",      "--disable", "--silent", "--show-error",
                                   "--noproxy", "*",         "--cacert", authority};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  CurlResult result;
  auto process = Process::Start({.argv = std::move(argv)});
  if (!process.ok()) {
    result.error = process.status().ToString();
    return result;
  }
  result.exit_code = (*process)->WaitForExit(timeout).value_or(-1);
  result.body = (*process)->StdoutText();
  result.error = (*process)->StderrText();
  return result;
}

std::string UrlOf(const Tlsbridge& tlsbridge, const std::string& path) {
  return absl::StrCat("https://localhost:", tlsbridge.Port(), path);
}

}  // namespace tlsbridge::e2e
