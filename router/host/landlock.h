// Landlock: which files this process may still open, by folders. Raw system calls, since glibc has
// none; what a kernel does not know yet is left out.
//
// A rule is for a folder and all below it, by its inode: what is put there later is in it, and a
// folder that takes the place of another is not. Not restricted, because no kernel can or because
// it would be wrong here: stat(2), connecting to UNIX sockets by path, TCP ports (names and SRV
// records give backends any), descriptors that are open already.
//
// Thread: Create() and Allow() one; Restrict() is for every thread that is to obey
// (every_thread.h); those made later inherit. Owner: who makes it. Failure: errnos.
#pragma once

#include <stdint.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace tlsbridge {

class Landlock {
 public:
  enum class Use : uint8_t {
    kRead,        // files and folders
    kReadWrite,   // write to files that are there, too
    kSockets,     // make and remove UNIX sockets
    kWriteFiles,  // make files, and write to them
    kExecute,     // read and run
  };

  // The version of the kernel's interface, 0 without one.
  static int KernelVersion();

  // Nothing may be opened. REQUIRES: KernelVersion() > 0.
  static absl::StatusOr<std::unique_ptr<Landlock>> Create();
  Landlock(const Landlock&) = delete;
  Landlock& operator=(const Landlock&) = delete;
  ~Landlock();

  // 0, or an errno: the path is not there, for example.
  int Allow(const std::string& path, Use use) const;

  // The thread that calls this obeys from now on. An errno; for signal handlers. REQUIRES: it has
  // no_new_privs.
  int Restrict() const;

 private:
  Landlock(int version, int fd) : version_(version), fd_(fd) {}

  const int version_;
  const int fd_;
};

}  // namespace tlsbridge
