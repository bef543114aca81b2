// Files that belong together, such as a certificate, its key and its OCSP response: read as one,
// checked as one, served as one.
//
// A set that is found bad when it is read again does not replace the one that is served; `problem`
// then says why, until a good one comes.
//
// Thread: any; values. Owner: the route's TLS. Failure: ReadFileSet() returns a Status only where
// nothing is served yet.
#pragma once

#include <stdint.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/types/span.h"
#include "router/live/renewal/reading_note.h"

namespace tlsbridge {

// Differs when one of the files is another one, or has been written to or changed its permissions.
uint64_t FingerprintOf(absl::Span<const std::string> paths);

// Of what the files hold now. What is not a regular file counts by its fingerprint.
uint64_t DigestOf(absl::Span<const std::string> paths);

// Whether one of them is a pipe, or another thing whose bytes come but once.
bool ComeOnce(absl::Span<const std::string> paths);

// Which files are read: those whose fingerprint has changed, or all, since some file systems tell
// of a change late.
enum class Reread : uint8_t { kChanged, kAll };

template <typename T>
struct FileSet {
  std::vector<std::string> paths;  // empty: no file is needed
  uint64_t fingerprint = 0;        // of what was read last, good or not
  uint64_t digest = 0;             // the same of its bytes
  std::string problem;             // why that is not served; empty if it is
  std::shared_ptr<T> content;      // what is served
  bool once = false;               // as ComeOnce() says: it is never read again
};

// `read` returns StatusOr<shared_ptr<T>> of what the files hold now; it is called again if they
// changed meanwhile, so that never half of one set is served with half of the next. `served` is
// what the same files held before, or null; its content stays where the bytes are the same, so that
// what was made of it need not be made again.
template <typename T, typename Read>
absl::StatusOr<FileSet<T>> ReadFileSet(std::vector<std::string> paths, const FileSet<T>* served,
                                       Reread reread, Read read) {
  constexpr int kAttempts = 5;
  if (served != nullptr && served->once) return *served;
  ReadingNote::Note(paths);
  const bool once = ComeOnce(paths);
  uint64_t fingerprint = FingerprintOf(paths);
  // What was refused is tried again: a certificate that is not valid yet becomes so.
  const bool needed = reread == Reread::kAll && !paths.empty();
  if (!needed && served != nullptr && served->fingerprint == fingerprint &&
      served->problem.empty()) {
    return *served;
  }
  for (int attempt = 1;; ++attempt) {
    const uint64_t digest = DigestOf(paths);
    if (served != nullptr && served->digest == digest && served->problem.empty()) {
      FileSet<T> kept = *served;
      kept.fingerprint = fingerprint;
      return kept;
    }
    absl::StatusOr<std::shared_ptr<T>> content = read();
    // Of a pipe it changes with every byte.
    const uint64_t then = once ? fingerprint : std::exchange(fingerprint, FingerprintOf(paths));
    if (then != fingerprint && attempt < kAttempts) continue;
    if (then != fingerprint) {
      content = absl::UnavailableError(
          absl::StrCat(absl::StrJoin(paths, ", "), ": kept changing while being read"));
    }
    if (content.ok()) {
      return FileSet<T>{std::move(paths), fingerprint, digest, "", *std::move(content), once};
    }
    if (served == nullptr) return content.status();
    FileSet<T> kept = *served;
    kept.fingerprint = fingerprint;
    kept.digest = digest;
    kept.problem = std::string(content.status().message());
    return kept;
  }
}

}  // namespace tlsbridge
