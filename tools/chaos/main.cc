// chaos: a randomised test of the real program. README.md tells what it does and asserts.

#include <signal.h>

#include <cstdio>
#include <cstdlib>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "tools/chaos/options.h"

ABSL_FLAG(std::string, tlsbridge, "tools/tlsbridge/tlsbridge", "Path of the program under test.");
ABSL_FLAG(uint64_t, connections, 5000, "How many connections to make.");
ABSL_FLAG(uint64_t, seed, 1, "Every plan is drawn from this and the connection's number.");
ABSL_FLAG(uint32_t, parallel, 128, "How many connections to have at a time.");
ABSL_FLAG(absl::Duration, change_every, absl::ZeroDuration(),
          "Change the configuration of one program after the other so often; never if zero.");
ABSL_FLAG(int64_t, only, -1, "Make only the connection of this number, and tell what was seen.");
ABSL_FLAG(uint32_t, idle, 0, "Hold so many idle connections instead, and measure them.");
ABSL_FLAG(uint32_t, allocations, 0,
          "Start the program so many times instead, while some of its allocations fail.");
ABSL_FLAG(std::string, fault_shim, "tools/chaos/libfault_shim.so",
          "Path of the library that makes them fail.");

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("A randomised test of the real program.");
  if (absl::ParseCommandLine(argc, argv).size() > 1) {
    fprintf(stderr, "chaos: unexpected argument; --help lists the flags\n");
    return 2;
  }
  signal(SIGPIPE, SIG_IGN);
  tlsbridge::chaos::Options options;
  options.tlsbridge = absl::GetFlag(FLAGS_tlsbridge);
  options.connections = absl::GetFlag(FLAGS_connections);
  options.seed = absl::GetFlag(FLAGS_seed);
  options.parallel = absl::GetFlag(FLAGS_parallel);
  options.change_every = absl::GetFlag(FLAGS_change_every);
  options.idle = absl::GetFlag(FLAGS_idle);
  options.allocations = absl::GetFlag(FLAGS_allocations);
  options.fault_shim = absl::GetFlag(FLAGS_fault_shim);
  if (const int64_t only = absl::GetFlag(FLAGS_only); only >= 0) {
    options.only = static_cast<uint64_t>(only);
  }
  if (options.allocations > 0) return tlsbridge::chaos::RunAllocations(options);
  return options.idle > 0 ? tlsbridge::chaos::RunIdle(options)
                          : tlsbridge::chaos::RunChaos(options);
}
