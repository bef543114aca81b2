// What `GET /status` answers: the page that /, `tlsbridge status` and `tlsbridge top` show. And
// `GET /failures`.
//
// README.md of this folder has a table of every member, which a test compares with this.
//
// Thread: the control loop's, while workers count. Failure: none.
#pragma once

#include <string>
#include <vector>

#include "router/log/recent_failures.h"
#include "router/stats/service.h"

namespace tlsbridge {

std::string StatusJson(const Service& service);

// {"failures":[...],"last":N}; `last` is what to ask for as ?after= next.
std::string FailuresJson(const RecentFailures& failures, const RecentFailures::Query& query);

}  // namespace tlsbridge
