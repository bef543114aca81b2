// What the kernel says of one message: done, or an errno with its own words ("extended ack").
//
// Thread: any; pure. Failure: nullopt for a message that is no answer.
#pragma once

#include <stdint.h>

#include <optional>
#include <string>

#include "router/kernel/netlink/reader.h"

namespace tlsbridge::netlink {

struct Answer {
  uint32_t sequence = 0;  // of the message that is answered
  int error = 0;          // an errno; 0: done
  std::string text;       // the kernel's words; mostly empty
};

std::optional<Answer> ReadAnswer(const Message& message);

}  // namespace tlsbridge::netlink
