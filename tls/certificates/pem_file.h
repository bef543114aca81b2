// Reads PEM and DER files, of bounded size.
//
// Thread: any. Failure: a Status that names the file and the system's reason.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace tlsbridge::tls {

// The largest file that is read. A bundle of every public CA is under 300 KiB.
inline constexpr size_t kMaxPemFileBytes = 4 * 1024 * 1024;

// The largest OCSP response that is read. One with the responder's chain is under 8 KiB.
inline constexpr size_t kMaxDerFileBytes = 64 * 1024;

// How long the writer of a pipe may take, from our opening it to its end.
inline constexpr absl::Duration kPipePatience = absl::Seconds(5);

absl::StatusOr<std::string> ReadPemFile(const std::string& path);
absl::StatusOr<std::string> ReadDerFile(const std::string& path);

// Whether others than the file's owner and group may read it, which no private key's should allow.
// False where that cannot be found out; reading the file then says why.
bool AnybodyMayRead(const std::string& path);

}  // namespace tlsbridge::tls
