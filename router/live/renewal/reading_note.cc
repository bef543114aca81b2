#include "router/live/renewal/reading_note.h"

#include <utility>

#include "absl/strings/str_join.h"

namespace tlsbridge {
namespace {

std::shared_ptr<ReadingNote>& OfThisThread() {
  thread_local std::shared_ptr<ReadingNote> note;
  return note;
}

}  // namespace

void ReadingNote::KeepIn(std::shared_ptr<ReadingNote> note) { OfThisThread() = std::move(note); }

void ReadingNote::Note(absl::Span<const std::string> paths) {
  ReadingNote* const note = OfThisThread().get();
  if (note == nullptr) return;
  std::string text = absl::StrJoin(paths, ", ");
  const MutexLock lock(note->mutex_);
  note->paths_ = std::move(text);
}

std::string ReadingNote::ToString() const {
  const MutexLock lock(mutex_);
  return paths_;
}

}  // namespace tlsbridge
