// The program, run to its end: for command lines that it refuses or answers at once. Any thread.

#pragma once

#include <cstdlib>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tests/e2e/harness/process.h"

namespace tlsbridge::e2e {

struct ProgramResult {
  int exit_code = -1;  // -1: it could not be started, or still runs
  std::string output;
  std::string errors;
};

inline ProgramResult RunProgram(std::vector<std::string> arguments,
                                std::map<std::string, std::string> environment = {}) {
  const char* binary = std::getenv("TLSBRIDGE_BINARY");
  arguments.insert(arguments.begin(), binary == nullptr ? "TLSBRIDGE_BINARY is not set" : binary);
  auto process =
      Process::Start({.argv = std::move(arguments), .environment = std::move(environment)});
  if (!process.ok()) return {.errors = process.status().ToString()};
  const int exit_code = (*process)->WaitForExit().value_or(-1);
  return {exit_code, (*process)->StdoutText(), (*process)->StderrText()};
}

}  // namespace tlsbridge::e2e
