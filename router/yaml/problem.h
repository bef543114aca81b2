// The mistakes in a configuration file, gathered while it is read.
//
// Thread: any; values. Failure: none.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "router/yaml/node.h"

namespace tlsbridge {

struct Problem {
  std::string file;
  int line = 1;  // from 1
  int column = 1;
  std::string path;  // "routes[2].tls.certificates[0].key"; empty for the file as a whole
  std::string message;

  // "file:line:column: path: message"; `kind` ("warning: ") is put before the path.
  std::string ToString(absl::string_view kind = "") const {
    return absl::StrCat(file, ":", line, ":", column, ": ", kind, path, path.empty() ? "" : ": ",
                        message);
  }
};

// Those of one position stay in their order.
void SortByPosition(std::vector<Problem>* problems);

namespace yaml {

// A text from the file in quotes, fit for one line.
std::string Quoted(absl::string_view text);

}  // namespace yaml
}  // namespace tlsbridge
