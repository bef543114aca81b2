// What can be false only by a mistake of our own: the process ends with a line that says so.
//
// Thread: any. Failure: abort().
#pragma once

#include <stdio.h>
#include <stdlib.h>

namespace tlsbridge {

inline void Check(bool holds, const char* what) {
  if (holds) [[likely]]
    return;
  fprintf(stderr, "tlsbridge: a mistake of its own: %s\n", what);
  abort();
}

}  // namespace tlsbridge
