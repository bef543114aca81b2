#include "tools/chaos/options.h"
namespace tlsbridge::chaos {
int RunIdle(const Options&) { return 2; }
}  // namespace tlsbridge::chaos
