#include "router/kernel/netlink/answer.h"

#include <limits.h>
#include <linux/netlink.h>
#include <stddef.h>
#include <string.h>

#include <algorithm>

namespace tlsbridge::netlink {

std::optional<Answer> ReadAnswer(const Message& message) {
  nlmsgerr header;
  if (message.type != NLMSG_ERROR || message.payload.size() < sizeof(header)) return std::nullopt;
  memcpy(&header, message.payload.data(), sizeof(header));
  Answer answer;
  answer.sequence = header.msg.nlmsg_seq;
  // The kernel's are negative, and small; whatever else it may say is an error too.
  if (header.error != 0) answer.error = header.error == INT_MIN ? INT_MAX : -header.error;
  if ((message.flags & NLM_F_ACK_TLVS) == 0) return answer;
  absl::Span<const uint8_t> rest = message.payload.subspan(sizeof(header));
  // Unless it is capped, what was asked comes before the attributes.
  if ((message.flags & NLM_F_CAPPED) == 0) {
    const size_t asked = std::max<size_t>(header.msg.nlmsg_len, NLMSG_HDRLEN) - NLMSG_HDRLEN;
    rest.remove_prefix(std::min<size_t>(NLMSG_ALIGN(asked), rest.size()));
  }
  answer.text = std::string(Attributes(rest).Text(NLMSGERR_ATTR_MSG));
  return answer;
}

}  // namespace tlsbridge::netlink
