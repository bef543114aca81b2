// One transaction on a table of the kernel's packet filter: all of its messages take effect, or
// none.
//
// Thread: one; a value. Failure: Check() says if a part is too long to be sent. What the kernel
// says of a message is told by its sequence number, which Describe() turns into words.
#pragma once

#include <stdint.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "router/kernel/netlink/writer.h"
#include "router/kernel/ruleset.h"

namespace tlsbridge::kernel {

// Debian 12's headers lack the second.
inline constexpr uint32_t kOwner = 0x2;    // the table goes when the socket that made it is closed
inline constexpr uint32_t kPersist = 0x4;  // but stays, if it has this too; Linux 6.9

class Batch {
 public:
  explicit Batch(std::string table);

  void AddTable(uint32_t flags);
  void DeleteTable();
  void AddTimeouts(const std::string& name, const TimeoutPolicy& policy);
  void DeleteTimeouts(const std::string& name);
  void AddSet(const std::string& name, const Set& set);
  void DeleteSet(const std::string& name);
  // Without its rules.
  void AddChain(const std::string& name, const Chain& chain);
  void DeleteChain(const std::string& name);
  void AddRules(const std::string& chain, absl::Span<const Rule> rules);
  void DeleteRules(const std::string& chain);  // all
  // To or from a set that need not be in this batch.
  void AddElements(const std::string& name, const Set& set, const Elements& elements);
  void DeleteElements(const std::string& name, const Set& set, const Elements& elements);

  bool empty() const { return labels_.empty(); }
  size_t messages() const { return labels_.size(); }
  absl::Status Check() const;

  // The bytes to send in one datagram; the last message asks for an answer. Without its end the
  // kernel takes each message, and keeps nothing of it; only in a table that is there already it
  // looks, too, whether the chains go together. Call one of them, once.
  absl::Span<const uint8_t> Finish();
  absl::Span<const uint8_t> FinishTrial();

  uint32_t last_sequence() const { return last_sequence_; }
  // "element of map 'one4'".
  std::string Describe(uint32_t sequence) const;

 private:
  // `label`, a literal, and `name` say what the message is of.
  void Begin(int type, uint16_t flags, absl::string_view label, const std::string& name);
  void PutElements(int type, uint16_t flags, const std::string& name, const Set& set,
                   const Elements& elements);
  void PutElement(const Set& set, const KeyBytes& key, const Element& element, bool with_data);

  const std::string table_;
  netlink::Writer writer_;
  uint32_t last_sequence_ = 0;
  uint32_t sets_ = 0;
  struct Label {
    uint32_t sequence;
    absl::string_view what;
    std::string name;
  };
  std::vector<Label> labels_;  // by sequence, ascending
};

// All of `rules`, in the place of a table of the same name if `replaces`.
Batch FullBatch(const Ruleset& rules, uint32_t table_flags, bool replaces);

// What makes the one the other; empty if they are equal. REQUIRES: of one table; sets and policies
// of equal name are equal.
Batch DifferenceBatch(const Ruleset& from, const Ruleset& to);

}  // namespace tlsbridge::kernel
