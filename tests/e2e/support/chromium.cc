#include "tests/e2e/support/chromium.h"

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/e2e/harness/process.h"

namespace tlsbridge::e2e {

bool HasChromium() { return RunToEnd({"which", "chromium"}).ok(); }

std::vector<std::string> ChromiumCommand(const TempDir& dir) {
  return {"env",
          absl::StrCat("HOME=", dir.path()),
          "chromium",
          "--headless",
          "--no-sandbox",
          "--disable-gpu",
          "--no-first-run",
          "--disable-background-networking",
          "--disable-component-update",
          absl::StrCat("--user-data-dir=", dir.PathOf("profile"))};
}

std::string VisitWithChromium(const TempDir& dir, const std::string& url,
                              const std::vector<std::string>& flags) {
  std::vector<std::string> argv = ChromiumCommand(dir);
  argv.insert(argv.end(), flags.begin(), flags.end());
  argv.push_back(url);
  auto process = Process::Start({.argv = argv});
  EXPECT_TRUE(process.ok()) << process.status();
  if (!process.ok()) return {};
  EXPECT_EQ((*process)->WaitForExit(), 0);
  return (*process)->StdoutText();
}

}  // namespace tlsbridge::e2e
