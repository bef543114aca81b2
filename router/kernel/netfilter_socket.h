// A socket to the kernel's netfilter: sends batches and questions, and reads what is said of them.
//
// The kernel works on what is sent before Send() returns, so that all answers are there then.
//
// Thread: one. Owner: the caller; what a table's owner has opened must live as long as the table.
// Failure: a Status that says what the kernel said, and of which part of a batch.
#pragma once

#include <linux/filter.h>
#include <stdint.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "router/kernel/batch.h"
#include "router/kernel/netlink/reader.h"
#include "router/kernel/netlink/writer.h"

namespace tlsbridge::kernel {

class NetfilterSocket {
 public:
  static absl::StatusOr<std::unique_ptr<NetfilterSocket>> Open();
  // Takes over `fd`, which another process has opened; closes it, too, if it is none of them. While
  // both have it, one of them at a time may use it.
  static absl::StatusOr<std::unique_ptr<NetfilterSocket>> Adopt(int fd);
  ~NetfilterSocket();
  NetfilterSocket(const NetfilterSocket&) = delete;
  NetfilterSocket& operator=(const NetfilterSocket&) = delete;

  // Sends the whole, or, of a trial, all but its end. PermissionDenied, NotFound and AlreadyExists
  // are the kernel's EPERM, ENOENT and EEXIST.
  absl::Status Commit(Batch* batch);
  absl::Status Try(Batch* batch);

  // Sends one question, or several; calls `on_message` for each message of the answers but errors
  // and ends. The Status is that of the first question which was answered by an error.
  absl::Status Ask(netlink::Writer* question,
                   const std::function<void(const netlink::Message&)>& on_message);

  // Joins a multicast group (NFNLGRP_...).
  absl::Status Join(int group);
  // Of what comes in, only that for which this program of the kernel's packet filter says so.
  absl::Status Filter(absl::Span<const sock_filter> program);
  // Asks for a buffer of so many bytes for what comes in; the limits for all are no limit for who
  // has CAP_NET_ADMIN.
  void SetReceiveBuffer(int bytes);

  // The next datagram without waiting: empty once there is none. ResourceExhausted if the kernel
  // has thrown some away. Valid until the next call.
  absl::StatusOr<absl::Span<const uint8_t>> Receive();
  // Throws away what has come in: answers to what another process has sent.
  void Discard();

  int fd() const { return fd_; }
  uint32_t port() const { return port_; }  // by which the kernel knows it

 private:
  NetfilterSocket(int fd, uint32_t port);

  absl::Status Send(absl::Span<const uint8_t> bytes);
  absl::Status Transact(absl::Span<const uint8_t> bytes, const Batch& batch);

  const int fd_;
  const uint32_t port_;
  // Several datagrams are taken at a time. Of a slot only the pages that were needed are there.
  const std::unique_ptr<uint8_t[]> slots_;
  size_t taken_ = 0;      // slots that hold a datagram
  size_t next_ = 0;       // of them
  bool drained_ = false;  // there were no more behind them
  std::vector<size_t> lengths_;
};

// With the code that fits `error`, and "what: words".
absl::Status KernelError(int error, absl::string_view what);

}  // namespace tlsbridge::kernel
