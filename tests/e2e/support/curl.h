// curl, run to its end. Any thread.

#pragma once

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "tests/e2e/harness/tlsbridge_process.h"

namespace tlsbridge::e2e {

struct CurlResult {
  int exit_code = -1;
  std::string body;
  // What it said about a failure.
  std::string error;
};

// With `authority` as the only one that it trusts, whatever the machine's own settings for curl.
CurlResult Curl(const std::string& authority, std::vector<std::string> arguments,
                absl::Duration timeout = kPatience);

// "https://localhost:PORT" and then `path`.
std::string UrlOf(const Tlsbridge& tlsbridge, const std::string& path);

}  // namespace tlsbridge::e2e
