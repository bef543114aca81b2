#include "router/stats/process_facts.h"

#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>

namespace tlsbridge {
namespace {

double Seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

uint64_t OpenDescriptors() {
  std::error_code error;
  const std::filesystem::directory_iterator entries("/proc/self/fd", error);
  if (error) return 0;
  // That of the folder itself is one too many.
  return static_cast<uint64_t>(std::distance(begin(entries), end(entries))) - 1;
}

}  // namespace

ProcessFacts ProcessFacts::Read() {
  ProcessFacts facts;
  rusage used = {};
  if (getrusage(RUSAGE_SELF, &used) == 0) {
    facts.cpu_seconds = Seconds(used.ru_utime) + Seconds(used.ru_stime);
  }
  rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) facts.most_descriptors = limit.rlim_cur;
  facts.descriptors = OpenDescriptors();
  uint64_t all = 0;
  uint64_t resident = 0;
  if (std::ifstream("/proc/self/statm") >> all >> resident) {
    const auto page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
    facts.virtual_bytes = all * page;
    facts.resident_bytes = resident * page;
  }
  return facts;
}

}  // namespace tlsbridge
