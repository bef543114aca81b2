#include "tls/hello/alpn.h"

#include <openssl/ssl.h>

#include <algorithm>
#include <memory>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace tlsbridge::tls {
namespace {

// Where a context has its list, in the wire's format: each name with a byte of length before it.
int ListIndex() {
  static const int index = SSL_CTX_get_ex_new_index(
      0, nullptr, nullptr, nullptr, [](void*, void* list, CRYPTO_EX_DATA*, int, long, void*) {
        delete static_cast<std::string*>(list);
      });
  return index;
}

int Select(SSL*, const uint8_t** out, uint8_t* out_length, const uint8_t* offered,
           unsigned offered_length, void* argument) {
  const auto* list = static_cast<const std::string*>(argument);
  // It goes by the first list's order, which is ours.
  const int result = SSL_select_next_proto(
      const_cast<uint8_t**>(out), out_length, reinterpret_cast<const uint8_t*>(list->data()),
      static_cast<unsigned>(list->size()), offered, offered_length);
  return result == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

}  // namespace

absl::Status InstallAlpn(absl::Span<const std::string> protocols, SSL_CTX* ctx) {
  if (protocols.empty()) return absl::OkStatus();
  auto list = std::make_unique<std::string>();
  for (auto it = protocols.begin(); it != protocols.end(); ++it) {
    if (it->empty() || it->size() > 255) {
      return absl::InvalidArgumentError(
          absl::StrCat("alpn: \"", *it, "\" must have from 1 to 255 bytes"));
    }
    if (std::find(protocols.begin(), it, *it) != it) {
      return absl::InvalidArgumentError(absl::StrCat("alpn: \"", *it, "\" comes twice"));
    }
    list->push_back(static_cast<char>(it->size()));
    list->append(*it);
  }
  SSL_CTX_set_alpn_select_cb(ctx, &Select, list.get());
  SSL_CTX_set_ex_data(ctx, ListIndex(), list.release());
  return absl::OkStatus();
}

bool AlpnRefuses(absl::Span<const std::string> protocols, absl::Span<const std::string> offered) {
  return !protocols.empty() && !offered.empty() &&
         std::none_of(offered.begin(), offered.end(), [protocols](const std::string& name) {
           return std::find(protocols.begin(), protocols.end(), name) != protocols.end();
         });
}

}  // namespace tlsbridge::tls
