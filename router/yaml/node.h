// What a YAML file says, as a tree with positions; nothing in it has been given a meaning yet.
//
// Thread: any; immutable once loaded. Owner: shared, since an alias is the node that it names.
#pragma once

#include <stddef.h>

#include <memory>
#include <string>
#include <vector>

namespace tlsbridge::yaml {

// Both from 1; columns count bytes.
struct Mark {
  int line = 1;
  int column = 1;
};

struct Node;
using NodePtr = std::shared_ptr<const Node>;

struct Node {
  enum class Kind { kNull, kScalar, kList, kMap };

  // In the file's order; a key that is given twice is here twice.
  struct Entry {
    std::string key;
    Mark mark;
    NodePtr value;
  };

  Kind kind = Kind::kNull;
  Mark mark;
  std::string text;  // kScalar
  bool quoted = false;
  std::vector<NodePtr> items;  // kList
  std::vector<Entry> entries;  // kMap
  size_t size = 1;             // nodes in it, with those behind an alias each time that it is used
};

}  // namespace tlsbridge::yaml
