// Where a change of given files shows: for each, the folder that it is in, and the folder of every
// symbolic link on the way there. So the swap of one link that replaces many files at once, as
// Kubernetes does it, is seen as well as a write in place.
//
// Thread: any; it asks the file system. Failure: what is missing is watched for where it would be.
#pragma once

#include <map>
#include <set>
#include <string>

#include "absl/types/span.h"

namespace tlsbridge {

// Absolute folders, each with the names in it that matter.
using WatchPlan = std::map<std::string, std::set<std::string>>;

// That a file, or another folder, is in: "." of a name alone, "/" of what is at the top.
std::string FolderOf(const std::string& path);

WatchPlan PlanWatches(absl::Span<const std::string> paths);

}  // namespace tlsbridge
