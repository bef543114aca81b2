// Finds the ClientHello at the start of a connection, before any route or certificate is chosen.
//
// How a client cuts its hello into records says nothing (RFC 8446 section 5.1) and may be six times
// the hello; so what is kept of several records is one, with all their fragments.
//
// Thread: any, one at a time. Owner: whoever reads the socket; nothing here refers to a session.
// Failure: a result, never Status: what a peer sends is no error of ours. However a client splits
// its bytes, kMaxHeldBytes are kept at most, and the work is that of reading each byte a few times.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <optional>
#include <vector>

#include "absl/types/span.h"
#include "tls/failure.h"
#include "tls/hello/client_hello.h"

namespace tlsbridge::tls {

class ClientHelloReader {
 public:
  enum class Result {
    kNeedMore,
    kWhole,     // hello() is there; raw() may go on past it
    kNotHello,  // no bytes to come can make it one; refusal() says why
  };

  // The longest message that BoringSSL reads from a client that has yet to be asked for a
  // certificate (ssl_max_handshake_message_len), and its header.
  static constexpr size_t kMaxMessageBytes = 4 + 16384;
  // The same with the headers of two records, since one can be a little too small for it.
  static constexpr size_t kMaxHeldBytes = 2 * 5 + kMaxMessageBytes;

  ClientHelloReader() = default;
  ClientHelloReader(const ClientHelloReader&) = delete;
  ClientHelloReader& operator=(const ClientHelloReader&) = delete;

  // Takes what came next from the client. Nothing is copied when the first record, whole in the
  // first bytes, decides. REQUIRES: every call before returned kNeedMore.
  Result Feed(absl::Span<const uint8_t> bytes);

  // REQUIRES: kWhole. Valid as long as raw() is.
  const ClientHello& hello() const { return *hello_; }
  // REQUIRES: kNotHello.
  const Refusal& refusal() const { return refusal_; }

  // All that was fed, for a Session or a backend to read; of a hello in several records, those are
  // one. Valid until the next Feed(), and no longer than the bytes last fed.
  absl::Span<const uint8_t> raw() const { return raw_; }

  size_t held_bytes() const { return buffer_.capacity(); }

 private:
  Result Scan();
  Result TakeRecords(size_t* next);
  bool Acceptable(absl::Span<const uint8_t> record);
  void Take(size_t fragment_bytes, size_t* next);
  Result ParseMessage();
  size_t FrameMessage();
  bool Refuse(FailureDetail detail, const char* reason, int alert);
  void Keep(absl::Span<const uint8_t> bytes);

  std::vector<uint8_t> buffer_;  // what raw_ refers to, unless the first record decides
  // The header of the first record, what is there of the message, and a record that is not whole.
  absl::Span<const uint8_t> raw_;
  size_t message_end_ = 0;    // in raw_; 0 until a record is whole
  size_t message_bytes_ = 0;  // as its header says; 0 until that is there
  int records_ = 0;           // that were whole
  int empty_records_ = 0;     // of them the last ones
  std::optional<ClientHello> hello_;
  Refusal refusal_;
};

}  // namespace tlsbridge::tls
