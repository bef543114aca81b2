#include "router/yaml/nearest.h"

#include <stddef.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace tlsbridge::yaml {
namespace {

// Words are keys and enumerators: longer ones are no slips.
constexpr size_t kLongestWord = 48;

// How many letters to insert, remove, change or swap with the next one.
size_t Distance(absl::string_view a, absl::string_view b) {
  std::vector<size_t> before(b.size() + 1);  // the row before the last
  std::vector<size_t> last(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    std::vector<size_t> row(b.size() + 1, i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t changed = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, changed});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before = std::exchange(last, std::move(row));
  }
  return last.back();
}

}  // namespace

std::string Nearest(absl::string_view word, const std::vector<std::string>& allowed) {
  if (word.size() > kLongestWord) return "";
  std::string best;
  size_t best_distance = std::max<size_t>(word.size() / 3, 1) + 1;
  for (const std::string& candidate : allowed) {
    const size_t distance = Distance(word, candidate);
    if (distance >= best_distance) continue;
    best_distance = distance;
    best = candidate;
  }
  return best;
}

std::string DidYouMean(absl::string_view word, const std::vector<std::string>& allowed) {
  const std::string best = Nearest(word, allowed);
  return best.empty() ? "" : absl::StrCat("; did you mean '", best, "'?");
}

}  // namespace tlsbridge::yaml
