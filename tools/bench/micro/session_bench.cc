// Records through a Session, beside the cipher alone: what is between the two is what BoringSSL's
// records and our staging cost.

#include <openssl/aead.h>
#include <openssl/ssl.h>
#include <stdint.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "benchmark/benchmark.h"
#include "tls/certificates/development_ca.h"
#include "tls/client_session.h"
#include "tools/bench/micro/client.h"

namespace tlsbridge::tls {
namespace {

using Bytes = absl::Span<const uint8_t>;

Bytes ToBytes(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

// A session with its handshake done: TLS 1.3, AES-128-GCM.
struct Established {
  Established() {
    for (int i = 0; i < 3; ++i) {
      session->Receive(ToBytes(client.TakeOutput()));
      client.Receive(staging.output());
      staging.ClearOutput();
    }
  }

  bool ready() const {
    return session->handshake_done() && session->cipher() == std::string("TLS_AES_128_GCM_SHA256");
  }

  std::unique_ptr<ServerContext> context = [] {
    auto identity = MakeDevelopmentIdentity(absl::UnixEpoch());
    return *ServerContext::Create(identity->localhost);
  }();
  Staging staging;
  micro::Client client;
  std::unique_ptr<Session> session = ClientSession::Accept(*context, &staging);
};

void Count(benchmark::State& state) {
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations()) * state.range(0));
}

void SessionEncrypt(benchmark::State& state) {
  Established pair;
  if (!pair.ready()) state.SkipWithError("no handshake");
  const std::string plaintext(static_cast<size_t>(state.range(0)), 'x');
  for (auto _ : state) {
    pair.session->Send(ToBytes(plaintext));
    benchmark::DoNotOptimize(pair.staging.output().data());
    pair.staging.ClearOutput();
  }
  Count(state);
}

// The client encrypts many records at a time, off the clock.
void SessionDecrypt(benchmark::State& state) {
  Established pair;
  if (!pair.ready()) state.SkipWithError("no handshake");
  constexpr size_t kBatch = 64;
  const std::string plaintext(static_cast<size_t>(state.range(0)), 'x');
  std::vector<std::string> records;
  for (auto _ : state) {
    if (records.empty()) {
      state.PauseTiming();
      for (size_t i = 0; i < kBatch; ++i) {
        pair.client.Send(ToBytes(plaintext));
        records.push_back(pair.client.TakeOutput());
      }
      std::reverse(records.begin(), records.end());
      state.ResumeTiming();
    }
    const Session::Received received = pair.session->Receive(ToBytes(records.back()));
    if (received.plaintext.size() != plaintext.size()) state.SkipWithError("not decrypted");
    records.pop_back();
  }
  Count(state);
}

class Aead {
 public:
  Aead() {
    const uint8_t key[16] = {1};
    EVP_AEAD_CTX_init(ctx_.get(), EVP_aead_aes_128_gcm(), key, sizeof(key), 16, nullptr);
  }
  // Both write to `out`, which has room for a tag more.
  bool Seal(Bytes in, std::vector<uint8_t>* out) {
    size_t length;
    return EVP_AEAD_CTX_seal(ctx_.get(), out->data(), &length, out->size(), kNonce, sizeof(kNonce),
                             in.data(), in.size(), kHeader, sizeof(kHeader)) == 1;
  }
  bool Open(Bytes in, std::vector<uint8_t>* out) {
    size_t length;
    return EVP_AEAD_CTX_open(ctx_.get(), out->data(), &length, out->size(), kNonce, sizeof(kNonce),
                             in.data(), in.size(), kHeader, sizeof(kHeader)) == 1;
  }

 private:
  static constexpr uint8_t kNonce[12] = {};
  static constexpr uint8_t kHeader[5] = {};  // a record's, as additional data

  bssl::ScopedEVP_AEAD_CTX ctx_;
};

void AeadSeal(benchmark::State& state) {
  Aead aead;
  const std::string plaintext(static_cast<size_t>(state.range(0)), 'x');
  std::vector<uint8_t> out(plaintext.size() + 16);
  for (auto _ : state) {
    if (!aead.Seal(ToBytes(plaintext), &out)) state.SkipWithError("not sealed");
    benchmark::DoNotOptimize(out.data());
  }
  Count(state);
}

void AeadOpen(benchmark::State& state) {
  Aead aead;
  const std::string plaintext(static_cast<size_t>(state.range(0)), 'x');
  std::vector<uint8_t> sealed(plaintext.size() + 16);
  if (!aead.Seal(ToBytes(plaintext), &sealed)) state.SkipWithError("not sealed");
  std::vector<uint8_t> out(sealed.size());
  for (auto _ : state) {
    if (!aead.Open(sealed, &out)) state.SkipWithError("not opened");
    benchmark::DoNotOptimize(out.data());
  }
  Count(state);
}

// 16384: the longest record (RFC 8446 section 5.1).
BENCHMARK(SessionEncrypt)->Arg(100)->Arg(1400)->Arg(4096)->Arg(16384);
BENCHMARK(AeadSeal)->Arg(100)->Arg(1400)->Arg(4096)->Arg(16384);
BENCHMARK(SessionDecrypt)->Arg(100)->Arg(1400)->Arg(4096)->Arg(16384);
BENCHMARK(AeadOpen)->Arg(100)->Arg(1400)->Arg(4096)->Arg(16384);

}  // namespace
}  // namespace tlsbridge::tls
