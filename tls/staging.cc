#include "tls/staging.h"

#include <openssl/bio.h>
#include <openssl/ssl.h>
#include <string.h>

#include <algorithm>
#include <utility>

#include "tls/out_of_memory.h"

namespace tlsbridge::tls {
namespace {

// Room for what one turn of a bridge writes. A peak above it (a long certificate chain) is given
// back.
constexpr size_t kOutputBytes = 64 * 1024;

const BIO_METHOD* StagingMethod(int (*read)(BIO*, char*, int), int (*write)(BIO*, const char*, int),
                                long (*control)(BIO*, int, long, void*)) {
  static const BIO_METHOD* const method = [read, write, control] {
    BIO_METHOD* m = Made(BIO_meth_new(BIO_TYPE_SOURCE_SINK, "tlsbridge staging"));
    BIO_meth_set_read(m, read);
    BIO_meth_set_write(m, write);
    BIO_meth_set_ctrl(m, control);
    return m;
  }();
  return method;
}

}  // namespace

Staging::Staging()
    // One record may be left over inside BoringSSL from the call before.
    : plaintext_(kMaxInputBytes + SSL3_RT_MAX_PLAIN_LENGTH),
      bio_(Made(BIO_new(StagingMethod(&ReadFromInput, &WriteToOutput, &Control)))) {
  BIO_set_data(bio_.get(), this);
  BIO_set_init(bio_.get(), 1);
}

Staging::~Staging() = default;

Staging* Staging::Of(BIO* bio) { return static_cast<Staging*>(BIO_get_data(bio)); }

Callbacks* Staging::CallerOf(const SSL* ssl) { return Of(SSL_get_rbio(ssl))->caller_; }

void Staging::ClearOutput() {
  output_bytes_ = 0;
  if (output_capacity_ <= kOutputBytes) return;
  output_.reset();
  output_capacity_ = 0;
}

void Staging::Append(const void* data, size_t length) {
  const size_t wanted = output_bytes_ + length;
  if (wanted > output_capacity_) {
    const size_t capacity = std::max({kOutputBytes, wanted, output_capacity_ * 2});
    std::unique_ptr<uint8_t[]> grown(new uint8_t[capacity]);
    if (output_bytes_ > 0) memcpy(grown.get(), output_.get(), output_bytes_);
    output_ = std::move(grown);
    output_capacity_ = capacity;
  }
  memcpy(output_.get() + output_bytes_, data, length);
  output_bytes_ = wanted;
}

int Staging::ReadFromInput(BIO* bio, char* buffer, int length) {
  Staging* const self = Of(bio);
  BIO_clear_retry_flags(bio);
  if (self->input_.empty()) {
    BIO_set_retry_read(bio);
    return -1;
  }
  const size_t n = std::min(self->input_.size(), static_cast<size_t>(length));
  memcpy(buffer, self->input_.data(), n);
  self->input_.remove_prefix(n);
  return static_cast<int>(n);
}

int Staging::WriteToOutput(BIO* bio, const char* data, int length) {
  Staging* const self = Of(bio);
  self->Append(data, static_cast<size_t>(length));
  return length;
}

long Staging::Control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

}  // namespace tlsbridge::tls
