// What is gathered while a tree is read into a Config: the mistakes, where each value stands, and
// the files that are named.
//
// Thread: one. Owner: ParseConfig(), for one call. Failure: none.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "router/yaml/node.h"
#include "router/yaml/parse_config.h"
#include "router/yaml/positions.h"
#include "router/yaml/problem.h"
#include "router/yaml/settings.h"

namespace tlsbridge::yaml {

// Behind so many, the rest is counted only: a file of nothing but mistakes must not fill memory.
constexpr size_t kMaxProblems = 1000;

class Reading {
 public:
  // `naming` is for what is not a file; null names keys as a file does.
  Reading(absl::string_view file_name, Environment environment, Naming naming = nullptr)
      : file_name_(file_name), environment_(environment), naming_(std::move(naming)) {}

  const std::string& file_name() const { return file_name_; }

  // How a message names another key, and its value if there is one: in a file by `shown`.
  std::string Name(absl::string_view path, absl::string_view shown,
                   absl::string_view value = "") const;

  // `path` is not sound then, nor is what it is in.
  void Add(const Mark& mark, absl::string_view path, absl::string_view message);
  // Of something beside what is read, such as a key that nobody knows: all that is read is sound.
  void AddAside(const Mark& mark, absl::string_view path, absl::string_view message);

  // As Positions has them.
  void Note(absl::string_view path, const Mark& mark) { positions_.Note(path, mark); }
  bool Given(absl::string_view path) const { return positions_.Given(path); }
  Mark MarkOf(absl::string_view path) const { return positions_.Of(path); }
  bool Sound(absl::string_view path) const { return positions_.Sound(path); }

  // What stands at `path` is no mapping: which keys it lacks is not to be told then.
  void NoteMalformed(absl::string_view path) { malformed_.insert(std::string(path)); }
  bool Malformed(absl::string_view path) const { return malformed_.contains(path); }

  // ${NAME} replaced and made relative to the file's folder.
  absl::StatusOr<std::string> ResolveFile(absl::string_view text) const;
  void NoteFile(const Mark& mark, absl::string_view path, std::string file);

  // By position.
  std::vector<Problem> TakeProblems();
  std::vector<NamedFile> TakeFiles() { return std::move(files_); }
  Positions TakePositions() { return std::move(positions_); }

 private:
  const std::string file_name_;
  const Environment environment_;
  const Naming naming_;
  std::vector<Problem> problems_;
  size_t more_problems_ = 0;
  std::vector<NamedFile> files_;
  Positions positions_;
  absl::flat_hash_set<std::string> malformed_;
};

}  // namespace tlsbridge::yaml
