#include "router/kernel/ruleset.h"

#include <linux/netfilter/nfnetlink_cttimeout.h>

#include "router/kernel/client_intervals.h"

namespace tlsbridge::kernel {

void AppendPort(uint16_t port, KeyBytes* key) {
  key->push_back(static_cast<char>(port >> 8));
  key->push_back(static_cast<char>(port & 0xff));
  key->append(2, '\0');
}

void AppendAddress(const IpBytes& address, KeyBytes* key) {
  key->append(address.begin() + (IsV4(address) ? 12 : 0), address.end());
}

void AppendSlot(uint32_t slot, KeyBytes* key) {
  // A number of the machine's own: the hash is one, too.
  key->append(reinterpret_cast<const char*>(&slot), sizeof(slot));
}

std::vector<TimeoutPolicy::State> TimeoutPolicy::Seconds() const {
  return {{"syn_sent", CTA_TIMEOUT_TCP_SYN_SENT, connect},
          {"established", CTA_TIMEOUT_TCP_ESTABLISHED, established},
          {"fin_wait", CTA_TIMEOUT_TCP_FIN_WAIT, half_close},
          {"close_wait", CTA_TIMEOUT_TCP_CLOSE_WAIT, half_close},
          {"last_ack", CTA_TIMEOUT_TCP_LAST_ACK, 30},
          {"time_wait", CTA_TIMEOUT_TCP_TIME_WAIT, 10},
          {"close", CTA_TIMEOUT_TCP_CLOSE, 1}};
}

Family FamilyOf(const IpBytes& address) { return IsV4(address) ? Family::kV4 : Family::kV6; }

}  // namespace tlsbridge::kernel
