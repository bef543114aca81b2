// Text to addresses: what Parse() takes, ToString() writes so that Parse() takes it for the same.

#include <stdint.h>
#include <string.h>

#include "absl/strings/match.h"
#include "bridge/socket_address.h"
#include "tests/fuzz/fuzz_check.h"

using tlsbridge::SocketAddress;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const auto address = SocketAddress::Parse(text);
  if (!address.ok()) {
    FUZZ_CHECK(!address.status().message().empty());
    return 0;
  }
  const std::string written = address->ToString();
  const auto again = SocketAddress::Parse(written);
  FUZZ_CHECK(again.ok());
  FUZZ_CHECK(*again == *address);
  FUZZ_CHECK(again->ToString() == written);
  FUZZ_CHECK(again->ClientKey() == address->ClientKey());
  FUZZ_CHECK(again->is_loopback() == address->is_loopback());
  // What a NUL hides from the system is not what the operator meant.
  FUZZ_CHECK(!absl::StrContains(text, '\0'));
  if (address->is_unix()) FUZZ_CHECK(written == text);
  return 0;
}
