// Where each value of a configuration stands, and at which of them something is wrong: so that a
// part that is sound can be judged whatever is wrong elsewhere.
//
// Paths are as in a Problem: "routes[2].tls.certificates[0].key".
//
// Thread: any; a value. Failure: none.
#pragma once

#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/string_view.h"
#include "router/yaml/node.h"

namespace tlsbridge::yaml {

class Positions {
 public:
  // What is in the file has one, right or wrong.
  void Note(absl::string_view path, const Mark& mark) { marks_.insert_or_assign(path, mark); }
  bool Given(absl::string_view path) const { return marks_.contains(path); }
  // Of the value, or, if it is not in the file, of what it would be in.
  Mark Of(absl::string_view path) const;

  void NoteUnsound(absl::string_view path);
  // Whether nothing is wrong at `path` or in it.
  bool Sound(absl::string_view path) const { return !unsound_.contains(path); }

 private:
  absl::flat_hash_map<std::string, Mark> marks_;
  absl::flat_hash_set<std::string> unsound_;  // with all that they are in
};

}  // namespace tlsbridge::yaml
