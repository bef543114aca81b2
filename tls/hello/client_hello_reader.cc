#include "tls/hello/client_hello_reader.h"

#include <openssl/ssl.h>
#include <string.h>

#include <algorithm>
#include <iterator>

#include "tls/hello/stranger.h"

namespace tlsbridge::tls {
namespace {

constexpr size_t kMessageHeaderBytes = SSL3_HM_HEADER_LENGTH;
constexpr size_t kRecordHeaderBytes = SSL3_RT_HEADER_LENGTH;

// RFC 8446 section 5.1 allows none; BoringSSL puts up with as many.
constexpr int kMostEmptyRecords = 32;

// REQUIRES: the record's header is there.
size_t FragmentBytes(absl::Span<const uint8_t> record) {
  return size_t{record[3]} << 8 | record[4];
}

void SetFragmentBytes(size_t bytes, uint8_t* record) {
  record[3] = static_cast<uint8_t>(bytes >> 8);
  record[4] = static_cast<uint8_t>(bytes);
}

}  // namespace

ClientHelloReader::Result ClientHelloReader::Feed(absl::Span<const uint8_t> bytes) {
  if (buffer_.empty()) {
    raw_ = bytes;
  } else {
    Keep(bytes);
  }
  const Result result = Scan();
  if (result != Result::kNeedMore) return result;
  if (buffer_.empty()) Keep(bytes);
  if (buffer_.capacity() > kMaxHeldBytes) buffer_.shrink_to_fit();
  raw_ = buffer_;
  return result;
}

ClientHelloReader::Result ClientHelloReader::Scan() {
  if (records_ == 0 && !raw_.empty() && raw_[0] != SSL3_RT_HANDSHAKE) {
    const std::optional<Refusal> stranger = RecogniseStranger(raw_);
    if (!stranger.has_value()) return Result::kNeedMore;
    refusal_ = *stranger;
    return Result::kNotHello;
  }
  size_t next = message_end_;
  const Result result = TakeRecords(&next);
  if (next > message_end_) {  // the headers that were between the fragments
    buffer_.erase(buffer_.begin() + static_cast<ptrdiff_t>(message_end_),
                  buffer_.begin() + static_cast<ptrdiff_t>(next));
    raw_ = buffer_;
  }
  return result == Result::kWhole ? ParseMessage() : result;
}

// Whole records only, since BoringSSL too takes up a record when it is whole; but what can be seen
// of the next one is checked at once. `next` is where it begins. kWhole: the message is.
ClientHelloReader::Result ClientHelloReader::TakeRecords(size_t* next) {
  while (true) {
    const absl::Span<const uint8_t> record = raw_.subspan(*next);
    if (!Acceptable(record)) return Result::kNotHello;
    if (record.size() < kRecordHeaderBytes ||
        record.size() < kRecordHeaderBytes + FragmentBytes(record)) {
      return Result::kNeedMore;
    }
    Take(FragmentBytes(record), next);
    if (message_bytes_ > 0 && message_end_ == kRecordHeaderBytes + message_bytes_) {
      return Result::kWhole;
    }
  }
}

// False, and it is refused, if what can be seen of `record` cannot be part of a ClientHello.
bool ClientHelloReader::Acceptable(absl::Span<const uint8_t> record) {
  if (!record.empty() && record[0] != SSL3_RT_HANDSHAKE) {
    return Refuse(FailureDetail::kProtocol, "a record amid the hello", SSL_AD_UNEXPECTED_MESSAGE);
  }
  if (record.size() > 1 && record[1] != SSL3_VERSION_MAJOR) {
    return Refuse(records_ == 0 ? FailureDetail::kNotTls : FailureDetail::kProtocol,
                  "a record of no version of TLS", SSL_AD_PROTOCOL_VERSION);
  }
  if (record.size() < kRecordHeaderBytes) return true;
  const size_t length = FragmentBytes(record);
  if (length > SSL3_RT_MAX_PLAIN_LENGTH) {
    return Refuse(FailureDetail::kBadRecord, "a record above 2^14 bytes", SSL_AD_RECORD_OVERFLOW);
  }
  if (length == 0 && empty_records_ == kMostEmptyRecords) {
    return Refuse(FailureDetail::kBadRecord, "too many empty records", SSL_AD_UNEXPECTED_MESSAGE);
  }
  const size_t so_far = records_ == 0 ? 0 : message_end_ - kRecordHeaderBytes;
  const absl::Span<const uint8_t> more = record.subspan(kRecordHeaderBytes, length);
  uint8_t header[kMessageHeaderBytes];
  size_t seen = 0;
  for (; seen < kMessageHeaderBytes && seen < so_far + more.size(); ++seen) {
    header[seen] = seen < so_far ? raw_[kRecordHeaderBytes + seen] : more[seen - so_far];
  }
  if (seen > 0 && header[0] != SSL3_MT_CLIENT_HELLO) {
    return Refuse(FailureDetail::kProtocol, "a first message other than ClientHello",
                  SSL_AD_UNEXPECTED_MESSAGE);
  }
  if (seen < kMessageHeaderBytes) return true;
  message_bytes_ =
      kMessageHeaderBytes + (size_t{header[1]} << 16 | size_t{header[2]} << 8 | size_t{header[3]});
  if (message_bytes_ > kMaxMessageBytes) {
    return Refuse(FailureDetail::kProtocol, "a ClientHello above 2^14 bytes",
                  SSL_AD_ILLEGAL_PARAMETER);
  }
  if (so_far + length > message_bytes_) {
    return Refuse(FailureDetail::kProtocol, "a message directly after the ClientHello",
                  SSL_AD_UNEXPECTED_MESSAGE);
  }
  return true;
}

// Takes the record at `next`, which is whole, to where the message goes on.
void ClientHelloReader::Take(size_t fragment_bytes, size_t* next) {
  const size_t fragment_at = *next + kRecordHeaderBytes;
  *next = fragment_at + fragment_bytes;
  empty_records_ = fragment_bytes == 0 ? empty_records_ + 1 : 0;
  if (++records_ == 1) {
    message_end_ = *next;
    return;
  }
  if (buffer_.empty()) Keep(raw_);
  memmove(buffer_.data() + message_end_, buffer_.data() + fragment_at, fragment_bytes);
  message_end_ += fragment_bytes;
}

ClientHelloReader::Result ClientHelloReader::ParseMessage() {
  const size_t body_at = records_ > 1 ? FrameMessage() : kRecordHeaderBytes + kMessageHeaderBytes;
  hello_ = ParseClientHello(raw_.subspan(body_at, message_bytes_ - kMessageHeaderBytes), &refusal_);
  return hello_.has_value() ? Result::kWhole : Result::kNotHello;
}

// Makes one record of those that were. Where that would be too long, the message's header has one
// of its own, so that the body is in one piece. Returns where that is.
size_t ClientHelloReader::FrameMessage() {
  constexpr size_t kBodyAt = kRecordHeaderBytes + kMessageHeaderBytes;
  if (message_bytes_ <= SSL3_RT_MAX_PLAIN_LENGTH) {
    SetFragmentBytes(message_bytes_, buffer_.data());
    return kBodyAt;
  }
  uint8_t header[kRecordHeaderBytes];
  memcpy(header, buffer_.data(), sizeof(header));
  SetFragmentBytes(message_bytes_ - kMessageHeaderBytes, header);
  SetFragmentBytes(kMessageHeaderBytes, buffer_.data());
  buffer_.insert(buffer_.begin() + kBodyAt, std::begin(header), std::end(header));
  raw_ = buffer_;
  return kBodyAt + kRecordHeaderBytes;
}

bool ClientHelloReader::Refuse(FailureDetail detail, const char* reason, int alert) {
  refusal_.failure = {.detail = detail, .reason = reason};
  refusal_.alert = static_cast<uint8_t>(alert);
  return false;
}

void ClientHelloReader::Keep(absl::Span<const uint8_t> bytes) {
  const size_t wanted = buffer_.size() + bytes.size();
  if (wanted > buffer_.capacity()) {
    buffer_.reserve(std::max(wanted, std::min(2 * buffer_.capacity(), kMaxHeldBytes)));
  }
  buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
  raw_ = buffer_;
}

}  // namespace tlsbridge::tls
