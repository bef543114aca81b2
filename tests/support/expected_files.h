// A folder of inputs, NAME.yaml, beside each of which stands what is to be said of it,
// NAME.expected.
//
// Thread: the test's. Owner: the test. Failure: a file that is missing is empty.
#pragma once

#include <ctype.h>

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace tlsbridge::testing {

std::string ContentOf(const std::string& path);

// Of the inputs of `folder`, in order.
std::vector<std::string> NamesOfInputs(const std::string& folder);

// With TLSBRIDGE_WRITE_EXPECTED=FOLDER in the environment, writes `said` there as what is expected
// of `name`, and is true: there is nothing to compare.
bool WritesExpected(const std::string& name, const std::string& said);

// A name of a test, which has letters and digits only.
inline std::string TestNameOf(const ::testing::TestParamInfo<std::string>& info) {
  std::string name;
  for (const char c : info.param) name += isalnum(c) != 0 ? c : 'X';
  return name;
}

}  // namespace tlsbridge::testing
