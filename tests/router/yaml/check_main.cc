// `tlsbridge check` alone, for tests that need nothing else of the program.

#include "absl/types/span.h"
#include "tools/tlsbridge/check.h"
#include "tools/tlsbridge/command.h"

int main(int argc, char** argv) {
  return tlsbridge::RunCommand(tlsbridge::CheckCommand(),
                               absl::MakeConstSpan(argv + 1, static_cast<size_t>(argc - 1)));
}
