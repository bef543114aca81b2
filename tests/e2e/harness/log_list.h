// What the log may say, as router/log/README.md lists it for who reads it by a program.
//
// Any thread. Failure: of the file itself ends the test program; of a line is told.

#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace tlsbridge::e2e {

// Why `line`, a JSON object, is not as the list has it; empty if it is.
std::string FaultOfLogLine(absl::string_view line);

}  // namespace tlsbridge::e2e
