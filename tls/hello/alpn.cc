#include "tls/hello/alpn.h"

#include <openssl/ssl.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "tls/context_slot.h"

namespace tlsbridge::tls {
namespace {

constexpr size_t kMaxNameBytes = 255;        // RFC 7301 section 3.1
constexpr size_t kMaxListBytes = 65535 - 2;  // that an extension can carry, with the list's length

// A context's list in the wire's format: each name with a byte of length before it.
struct WireList {
  std::string bytes;
};

int Select(SSL*, const uint8_t** out, uint8_t* out_length, const uint8_t* offered,
           unsigned offered_length, void* argument) {
  const std::string* const list = &static_cast<const WireList*>(argument)->bytes;
  // It goes by the first list's order, which is ours.
  const int result = SSL_select_next_proto(
      const_cast<uint8_t**>(out), out_length, reinterpret_cast<const uint8_t*>(list->data()),
      static_cast<unsigned>(list->size()), offered, offered_length);
  return result == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

}  // namespace

bool AlpnNames::IsWellFormed() const {
  absl::string_view rest = wire_;
  while (!rest.empty()) {
    const size_t length = static_cast<uint8_t>(rest.front());
    if (length == 0 || length >= rest.size()) return false;
    rest.remove_prefix(1 + length);
  }
  return true;
}

bool AlpnNames::Contains(absl::string_view name) const {
  return std::find(begin(), end(), name) != end();
}

absl::StatusOr<std::string> EncodeAlpn(absl::Span<const std::string> protocols) {
  std::string wire;
  for (auto it = protocols.begin(); it != protocols.end(); ++it) {
    if (it->empty() || it->size() > kMaxNameBytes) {
      return absl::InvalidArgumentError(
          absl::StrCat("alpn: \"", *it, "\" must have from 1 to ", kMaxNameBytes, " bytes"));
    }
    if (std::find(protocols.begin(), it, *it) != it) {
      return absl::InvalidArgumentError(absl::StrCat("alpn: \"", *it, "\" comes twice"));
    }
    wire.push_back(static_cast<char>(it->size()));
    wire.append(*it);
  }
  if (wire.size() > kMaxListBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("alpn: the names have more than ", kMaxListBytes, " bytes in all"));
  }
  return wire;
}

absl::Status InstallAlpn(absl::Span<const std::string> protocols, SSL_CTX* ctx) {
  auto wire = EncodeAlpn(protocols);
  if (!wire.ok()) return wire.status();
  if (wire->empty()) return absl::OkStatus();
  auto list = std::make_unique<WireList>();
  list->bytes = *std::move(wire);
  SSL_CTX_set_alpn_select_cb(ctx, &Select, ContextSlot<WireList>::Put(std::move(list), ctx));
  return absl::OkStatus();
}

bool AlpnRefuses(absl::Span<const std::string> protocols, const AlpnNames& offered) {
  return !protocols.empty() && !offered.empty() &&
         std::none_of(protocols.begin(), protocols.end(),
                      [&offered](const std::string& name) { return offered.Contains(name); });
}

}  // namespace tlsbridge::tls
