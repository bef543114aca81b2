// What stands behind the "?" of a request: parameters, and what the pages make of them.
//
// Thread: any. Failure: a Status that names the parameter, what is wrong with it, and what is
// allowed.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "router/connections/connection_filter.h"
#include "router/connections/recent_ends.h"
#include "router/log/log.h"
#include "router/log/recent_failures.h"

namespace tlsbridge {

using QueryParameters = std::vector<std::pair<std::string, std::string>>;

// Decodes "%2F" (RFC 3986, section 2.1). A name that comes twice is a mistake.
absl::StatusOr<QueryParameters> ParseQuery(absl::string_view query);

// Some of the live connections: `limit` of those whose ids come next behind `after`.
struct ConnectionPage {
  static constexpr size_t kMost = 10000;

  // ?route=&reason=&peer=&state=&limit=&after=, each of which may be missing.
  static absl::StatusOr<ConnectionPage> Parse(absl::string_view query);

  uint64_t after = 0;
  size_t limit = kMost;
  ConnectionFilter filter = {};
};

// ?id=&route=&reason=&peer=&limit=
absl::StatusOr<RecentEnds::Query> ParseEndedQuery(absl::string_view query);

// ?reason=&route=&limit=&after=
absl::StatusOr<RecentFailures::Query> ParseFailureQuery(absl::string_view query);

// ?level=
absl::StatusOr<LogLevel> ParseLevelQuery(absl::string_view query);

}  // namespace tlsbridge
