// Debian's Chromium, headless, at one page. Any thread.
#pragma once

#include <string>
#include <vector>

#include "tests/e2e/harness/temp_dir.h"

namespace tlsbridge::e2e {

bool HasChromium();

struct ChromiumVisit {
  std::string output;  // what the flags ask for
  std::string errors;  // with --enable-logging=stderr what the console says, too
};

// Fails the test if it fails. `dir` becomes its home, and has its profile.
ChromiumVisit VisitWithChromium(const TempDir& dir, const std::string& url,
                                const std::vector<std::string>& flags);

}  // namespace tlsbridge::e2e
