// Debian's Chromium, headless, at one page. Any thread.
#pragma once

#include <string>
#include <vector>

#include "tests/e2e/harness/temp_dir.h"

namespace tlsbridge::e2e {

bool HasChromium();

// The program with the flags that a test needs. `dir` becomes its home, and has its profile.
std::vector<std::string> ChromiumCommand(const TempDir& dir);

// What it prints at the end of one visit. Fails the test if it fails.
std::string VisitWithChromium(const TempDir& dir, const std::string& url,
                              const std::vector<std::string>& flags);

}  // namespace tlsbridge::e2e
