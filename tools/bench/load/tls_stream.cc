#include "tools/bench/load/tls_stream.h"

#include <openssl/err.h>

#include <algorithm>
#include <cstring>

namespace tlsbridge::bench {

TlsStream::TlsStream(Socket socket, bssl::UniquePtr<SSL> ssl)
    : Stream(std::move(socket)), ssl_(std::move(ssl)) {
  BIO* bio = BIO_new(BioMethod());
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_.get(), bio, bio);  // Takes the only reference.
}

const BIO_METHOD* TlsStream::BioMethod() {
  static const BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "bench socket");
    BIO_meth_set_read(made, &TlsStream::BioRead);
    BIO_meth_set_write(made, &TlsStream::BioWrite);
    BIO_meth_set_ctrl(made, [](BIO*, int command, long, void*) -> long {
      return command == BIO_CTRL_FLUSH ? 1 : 0;
    });
    return made;
  }();
  return method;
}

int TlsStream::BioRead(BIO* bio, char* into, int size) {
  auto* self = static_cast<TlsStream*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  if (self->received_begin_ == self->received_end_) {
    const IoResult result =
        self->socket_.Receive(absl::MakeSpan(self->received_.get(), kReceiveBytes));
    self->socket_verdict_ = result.verdict;
    if (result.verdict == IoStatus::kBlocked) BIO_set_retry_read(bio);
    if (result.verdict == IoStatus::kEnd) return 0;
    if (result.verdict != IoStatus::kOk) return -1;
    self->received_begin_ = 0;
    self->received_end_ = result.bytes;
  }
  const size_t n = std::min(static_cast<size_t>(size), self->received_end_ - self->received_begin_);
  std::memcpy(into, self->received_.get() + self->received_begin_, n);
  self->received_begin_ += n;
  return static_cast<int>(n);
}

int TlsStream::BioWrite(BIO* bio, const char* bytes, int size) {
  auto* self = static_cast<TlsStream*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  const IoResult result = self->socket_.Send(absl::string_view(bytes, static_cast<size_t>(size)));
  self->socket_verdict_ = result.verdict;
  if (result.verdict == IoStatus::kBlocked) BIO_set_retry_write(bio);
  return result.verdict == IoStatus::kOk ? static_cast<int>(result.bytes) : -1;
}

IoStatus TlsStream::Interpret(int result) {
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_NONE:
      return IoStatus::kOk;
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
      return IoStatus::kBlocked;
    case SSL_ERROR_ZERO_RETURN:
      return IoStatus::kEnd;
    case SSL_ERROR_SYSCALL:
      if (socket_verdict_ == IoStatus::kEnd) return IoStatus::kTruncated;
      if (socket_verdict_ == IoStatus::kReset) return IoStatus::kReset;
      return IoStatus::kFailed;
    default:
      return IoStatus::kFailed;
  }
}

IoStatus TlsStream::Handshake() {
  ERR_clear_error();
  return Interpret(SSL_do_handshake(ssl_.get()));
}

IoResult TlsStream::Read(absl::Span<char> into) {
  ERR_clear_error();
  const int n = SSL_read(ssl_.get(), into.data(), static_cast<int>(into.size()));
  if (n > 0) return {IoStatus::kOk, static_cast<size_t>(n)};
  return {Interpret(n)};
}

IoResult TlsStream::Write(absl::string_view bytes) {
  ERR_clear_error();
  const int n = SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size()));
  if (n > 0) return {IoStatus::kOk, static_cast<size_t>(n)};
  return {Interpret(n)};
}

IoStatus TlsStream::EndWriting() {
  ERR_clear_error();
  const int result = SSL_shutdown(ssl_.get());
  if (result < 0) return Interpret(result);
  socket_.ShutdownWrite();
  return IoStatus::kOk;
}

std::string TlsStream::FailureDetail() const {
  char text[256] = "no detail";
  if (const uint32_t error = ERR_peek_error(); error != 0) {
    ERR_error_string_n(error, text, sizeof(text));
  }
  return text;
}

}  // namespace tlsbridge::bench
