// Staging memory for TLS records: where BoringSSL reads ciphertext from and writes records to.
//
// One Staging serves all sessions of a worker, one call at a time, so that an idle connection holds
// no buffer of its own. Before a call, the session points it at the received bytes; after a call,
// the caller takes output() and clears it. Many records leave in one piece.
//
// Thread: the worker's. Owner: the worker; it outlives every session that uses it.
// Failure: at start, the process ends if there is no memory for it; later none: memory is allocated
// once and output grows only by what one call writes.
#pragma once

#include <openssl/base.h>
#include <stddef.h>
#include <stdint.h>

#include <memory>
#include <vector>

#include "absl/types/span.h"

namespace tlsbridge::tls {

class Callbacks;

class Staging {
 public:
  Staging();
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;
  ~Staging();

  // Whose call is under way, to answer what BoringSSL asks in it.
  void set_caller(Callbacks* caller) { caller_ = caller; }
  // Not by SSL_set_app_data(), which costs each connection two allocations.
  static Callbacks* CallerOf(const SSL* ssl);

  // Ciphertext for the next reads; it must stay valid until they are done.
  void SetInput(absl::Span<const uint8_t> ciphertext) { input_ = ciphertext; }

  // What of it has not been read.
  absl::Span<const uint8_t> input() const { return input_; }

  // Records written since the last ClearOutput(). Valid until the next call on any session.
  absl::Span<const uint8_t> output() const { return {output_.get(), output_bytes_}; }
  void ClearOutput();

  BIO* bio() const { return bio_.get(); }

  // Where sessions put plaintext. Big enough for every record in one turn's input.
  absl::Span<uint8_t> plaintext() { return absl::MakeSpan(plaintext_); }

  // Most ciphertext that one call may be given.
  static constexpr size_t kMaxInputBytes = 128 * 1024;

 private:
  static Staging* Of(BIO* bio);
  static int ReadFromInput(BIO* bio, char* buffer, int length);
  static int WriteToOutput(BIO* bio, const char* data, int length);
  static long Control(BIO* bio, int command, long argument, void* pointer);

  void Append(const void* data, size_t length);

  Callbacks* caller_ = nullptr;  // Not owned.
  absl::Span<const uint8_t> input_;
  std::unique_ptr<uint8_t[]> output_;
  size_t output_capacity_ = 0;
  size_t output_bytes_ = 0;
  std::vector<uint8_t> plaintext_;
  bssl::UniquePtr<BIO> bio_;
};

}  // namespace tlsbridge::tls
