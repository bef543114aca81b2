// Something of ours that lives as long as an SSL_CTX, which owns it: one of each type a context.
//
// Thread: put there before the context is used, then as the type allows. Failure: null where there
// is none.
#pragma once

#include <openssl/ssl.h>

#include <memory>

namespace tlsbridge::tls {

template <typename T>
class ContextSlot {
 public:
  // REQUIRES: once a context.
  static T* Put(std::unique_ptr<T> value, SSL_CTX* ctx) {
    T* const kept = value.get();
    if (SSL_CTX_set_ex_data(ctx, Index(), kept) != 1) return nullptr;  // no memory
    static_cast<void>(value.release());
    return kept;
  }

  static T* Of(const SSL* ssl) {
    return static_cast<T*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), Index()));
  }

 private:
  static int Index() {
    static const int index = SSL_CTX_get_ex_new_index(
        0, nullptr, nullptr, nullptr, [](void*, void* value, CRYPTO_EX_DATA*, int, long, void*) {
          delete static_cast<T*>(value);
        });
    return index;
  }
};

}  // namespace tlsbridge::tls
