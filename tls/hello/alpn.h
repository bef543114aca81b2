// Application protocols (RFC 7301): their names, and which of them a server speaks.
//
// Thread: any. Owner: AlpnNames is a view; an SSL_CTX keeps a copy of its own. Failure: a Status
// that says what is wrong with a name.
#pragma once

#include <openssl/base.h>
#include <stddef.h>
#include <stdint.h>

#include <iterator>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace tlsbridge::tls {

// A list of names as it is on the wire (RFC 7301 section 3.1): each with a byte of length before
// it. So that a client that offers thousands of them costs no more than it sent.
class AlpnNames {
 public:
  class Iterator {
   public:
    using iterator_category = std::forward_iterator_tag;
    using value_type = absl::string_view;
    using difference_type = ptrdiff_t;
    using pointer = const absl::string_view*;
    using reference = absl::string_view;

    Iterator() = default;
    explicit Iterator(absl::string_view rest) : rest_(rest) {}
    absl::string_view operator*() const { return rest_.substr(1, Length()); }
    Iterator& operator++() {
      rest_.remove_prefix(1 + Length());
      return *this;
    }
    Iterator operator++(int) {
      Iterator before = *this;
      ++*this;
      return before;
    }
    bool operator==(const Iterator& other) const { return rest_.size() == other.rest_.size(); }
    bool operator!=(const Iterator& other) const { return !(*this == other); }

   private:
    size_t Length() const { return static_cast<uint8_t>(rest_.front()); }

    absl::string_view rest_;
  };
  using iterator = Iterator;
  using const_iterator = Iterator;
  using value_type = absl::string_view;

  AlpnNames() = default;
  // Everything but IsWellFormed() REQUIRES that it is, or that EncodeAlpn() made it.
  explicit AlpnNames(absl::string_view wire) : wire_(wire) {}

  // Whether the names fill it, and none is empty.
  bool IsWellFormed() const;

  Iterator begin() const { return Iterator(wire_); }
  Iterator end() const { return Iterator(wire_.substr(wire_.size())); }
  bool empty() const { return wire_.empty(); }
  bool Contains(absl::string_view name) const;
  absl::string_view wire() const { return wire_; }

  bool operator==(const AlpnNames& other) const { return wire_ == other.wire_; }

 private:
  absl::string_view wire_;
};

// In the wire's format. Refuses names that no wire can carry, and one that comes twice.
absl::StatusOr<std::string> EncodeAlpn(absl::Span<const std::string> protocols);

// Sessions of `ctx` choose the first of `protocols` that their client offers, and refuse one that
// offers only others. Nothing is negotiated if there are none. REQUIRES: once a context.
absl::Status InstallAlpn(absl::Span<const std::string> protocols, SSL_CTX* ctx);

// Whether a client that offers `offered` is refused by a server with `protocols`.
bool AlpnRefuses(absl::Span<const std::string> protocols, const AlpnNames& offered);

}  // namespace tlsbridge::tls
