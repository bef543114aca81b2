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

absl::Status InstallAlpn(absl::Span<const std::string> protocols, SSL_CTX* ctx) {
  if (protocols.empty()) return absl::OkStatus();
  auto list = std::make_unique<WireList>();
  for (auto it = protocols.begin(); it != protocols.end(); ++it) {
    if (it->empty() || it->size() > 255) {
      return absl::InvalidArgumentError(
          absl::StrCat("alpn: \"", *it, "\" must have from 1 to 255 bytes"));
    }
    if (std::find(protocols.begin(), it, *it) != it) {
      return absl::InvalidArgumentError(absl::StrCat("alpn: \"", *it, "\" comes twice"));
    }
    list->bytes.push_back(static_cast<char>(it->size()));
    list->bytes.append(*it);
  }
  SSL_CTX_set_alpn_select_cb(ctx, &Select, ContextSlot<WireList>::Put(std::move(list), ctx));
  return absl::OkStatus();
}

bool AlpnRefuses(absl::Span<const std::string> protocols, absl::Span<const std::string> offered) {
  return !protocols.empty() && !offered.empty() &&
         std::none_of(offered.begin(), offered.end(), [protocols](const std::string& name) {
           return std::find(protocols.begin(), protocols.end(), name) != protocols.end();
         });
}

}  // namespace tlsbridge::tls
