// Notices what keeps the kernel's flows from coming about, and names it: rules of somebody else
// that drop what is forwarded, and backends that never answer.
//
// A first packet that another table drops was translated and counted, and never becomes a flow. It
// is looked for only where something is there that could do so.
//
// Thread: the control loop's. Owner: the KernelForwarding, one for each engine. Failure: none; what
// cannot be found out is not told.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <map>
#include <string>
#include <utility>

#include "router/kernel/flow_table.h"
#include "router/kernel/kernel_engine.h"

namespace tlsbridge {

class KernelDiagnosis {
 public:
  KernelDiagnosis() = default;
  KernelDiagnosis(const KernelDiagnosis&) = delete;
  KernelDiagnosis& operator=(const KernelDiagnosis&) = delete;

  void OnFlow(const kernel::FlowEvent& event);
  // To be called every few seconds.
  void Look(const kernel::KernelEngine& engine);

 private:
  // Of connections to one port.
  struct Port {
    uint64_t counted = 0;  // when a flow was seen last
    size_t open = 0;
    bool began = false;  // since the last look
    bool told = false;
  };

  void LookForBlocks(const kernel::KernelEngine& engine);

  std::map<uint16_t, Port> ports_;
  // By route and backend: how many in a row were not answered.
  std::map<std::pair<std::string, std::string>, int> silent_;
  uint64_t overflows_ = 0;  // that have been told of
};

}  // namespace tlsbridge
