// Reads a PEM file of bounded size.
//
// Thread: any. Failure: a Status that names the file and the system's reason.
#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace tlsbridge::tls {

// The largest file that is read. A bundle of every public CA is under 300 KiB.
inline constexpr size_t kMaxPemFileBytes = 4 * 1024 * 1024;

absl::StatusOr<std::string> ReadPemFile(const std::string& path);

}  // namespace tlsbridge::tls
