// BoringSSL's objects are made as by operator new: they are there, or its handler ends the process.
// What a session allots while it works is another matter: its calls fail, and that session ends.
//
// Thread: any. Failure: none that the caller sees.
#pragma once

#include <stdlib.h>

#include <new>

namespace tlsbridge::tls {

[[noreturn]] inline void OutOfMemory() {
  if (const std::new_handler handler = std::get_new_handler()) handler();
  abort();
}

// `object`, which is null for want of memory only.
template <typename T>
T* Made(T* object) {
  if (object == nullptr) OutOfMemory();
  return object;
}

// A call that fails for want of memory only, and on which it depends who is let in or served.
inline void Done(int result) {
  if (result != 1) OutOfMemory();
}

}  // namespace tlsbridge::tls
