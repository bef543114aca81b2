// A client and our Session, with an adversary between them who does what the input says: splits,
// corrupts, repeats, drops and invents. No plaintext comes out that did not go in, in its order and
// without a hole, and nothing follows an alert.
//
// The input: a byte for the version, then steps of two bytes: what to do, and with how much.

#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <stdint.h>

#include <algorithm>
#include <memory>
#include <string>

#include "absl/strings/match.h"
#include "tests/fuzz/fuzz_check.h"
#include "tests/tls/memory_client.h"
#include "tls/certificates/development_ca.h"
#include "tls/client_session.h"

namespace {

using tlsbridge::testing::MemoryClient;
using tlsbridge::tls::ClientSession;
using tlsbridge::tls::ServerContext;
using tlsbridge::tls::Session;
using tlsbridge::tls::Staging;
using tlsbridge::tls::Verdict;

constexpr size_t kMaxSteps = 400;
constexpr size_t kMaxSentBytes =
    256 * 1024;  // by either side: more shows nothing new, and takes long
constexpr size_t kRecordHeaderBytes = 5;
// Of a record with a fatal alert in it, encrypted or not: 2 bytes, an explicit nonce, a tag.
constexpr size_t kMaxAlertRecordBytes = kRecordHeaderBytes + 2 + 8 + 16 + 1;
// Of the tickets that BoringSSL, for TLS 1.3, holds back until the server writes for the first
// time.
constexpr size_t kMaxTicketBytes = 1024;

const ServerContext& Context() {
  static const ServerContext* const context = [] {
    auto identity = tlsbridge::tls::MakeDevelopmentIdentity(absl::UnixEpoch());
    return ServerContext::Create(identity->localhost)->release();
  }();
  return *context;
}

// Whole records, and a plaintext alert only as the last of them.
void CheckRecords(const std::string& output) {
  bool alerted = false;
  for (size_t at = 0; at < output.size();) {
    FUZZ_CHECK(!alerted);
    FUZZ_CHECK(output.size() - at >= kRecordHeaderBytes);
    const auto byte = [&output, at](size_t i) { return static_cast<uint8_t>(output[at + i]); };
    alerted = byte(0) == SSL3_RT_ALERT;
    at += kRecordHeaderBytes + (size_t{byte(3)} << 8 | byte(4));
    FUZZ_CHECK(at <= output.size());
  }
}

class Wire {
 public:
  void Append(const std::string& bytes) { bytes_ += bytes; }
  std::string Take(size_t most) {
    std::string taken = bytes_.substr(0, most);
    bytes_.erase(0, most);
    return taken;
  }
  void Repeat(size_t bytes) { bytes_.insert(0, bytes_.substr(0, bytes)); }
  void Corrupt(size_t at) {
    if (!bytes_.empty()) bytes_[at % bytes_.size()] ^= 0x10;
  }
  void Invent(const std::string& bytes) { bytes_.insert(0, bytes); }
  size_t size() const { return bytes_.size(); }

 private:
  std::string bytes_;
};

class Pair {
 public:
  explicit Pair(uint16_t version) : client_(version) {
    staging().ClearOutput();
    server_ = ClientSession::Accept(Context(), &staging());
  }

  void ToServer(size_t most) {
    Collect();
    const std::string bytes = to_server_.Take(std::min(most, Staging::kMaxInputBytes));
    if (over_ || bytes.empty()) return;
    const bool was_done = server_->handshake_done();
    const Session::Received received =
        server_->Receive({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
    server_received_.append(received.plaintext.begin(), received.plaintext.end());
    FUZZ_CHECK(absl::StartsWith(client_sent_, server_received_));
    FUZZ_CHECK(server_received_.empty() || server_->handshake_done());
    if (received.verdict == Verdict::kFailed) ServerFailed(was_done);
    if (received.verdict == Verdict::kCleanEof) {
      FUZZ_CHECK(client_closed_);
      over_ = true;
    }
    Collect();
  }

  void ToClient(size_t most) {
    Collect();
    client_.Receive(to_client_.Take(most));
    FUZZ_CHECK(absl::StartsWith(server_sent_, client_.received()));
    FUZZ_CHECK(!ClientSawTheEnd() || server_closed_);
    Collect();
  }

  void ClientSends(size_t bytes) {
    if (!client_.handshake_done() || client_closed_) return;
    if (client_sent_.size() + bytes > kMaxSentBytes) return;
    const std::string text = Text(client_sent_.size(), bytes);
    client_sent_ += text;
    client_.Send(text);
  }

  void ServerSends(size_t bytes) {
    if (!server_->handshake_done() || failed_ || server_closed_) return;
    if (server_sent_.size() + bytes > kMaxSentBytes) return;
    const std::string text = Text(server_sent_.size(), bytes);
    server_sent_ += text;
    FUZZ_CHECK(server_->Send({reinterpret_cast<const uint8_t*>(text.data()), text.size()}));
    Collect();
  }

  void ClientCloses() {
    if (!client_.handshake_done() || client_closed_) return;
    client_closed_ = true;
    client_.SendCloseNotify();
  }

  void ServerCloses() {
    if (failed_) return;
    server_closed_ = server_closed_ || server_->handshake_done();
    server_->SendCloseNotify();
    Collect();
  }

  void ClientLeaves() {
    if (over_) return;
    const Verdict verdict = server_->ReceiveEof();
    FUZZ_CHECK(verdict == (server_->handshake_done() ? Verdict::kTruncated : Verdict::kFailed));
    over_ = true;
  }

  Wire* to_server() { return &to_server_; }
  Wire* to_client() { return &to_client_; }

 private:
  static Staging& staging() {
    static Staging* const staging = new Staging;
    return *staging;
  }

  // No two stretches of it are alike, so that a hole or a repetition shows.
  static std::string Text(size_t from, size_t bytes) {
    std::string text;
    for (size_t i = from; i < from + bytes; ++i) {
      text.push_back(static_cast<char>(i % 251 + i / 251));
    }
    return text;
  }

  // A close_notify: not merely a connection that is over, for which MemoryClient takes an error,
  // too.
  bool ClientSawTheEnd() {
    char byte;
    ERR_clear_error();
    const int rc = SSL_read(client_.ssl(), &byte, 1);
    FUZZ_CHECK(rc <= 0);  // all has been read
    const bool ended = SSL_get_error(client_.ssl(), rc) == SSL_ERROR_ZERO_RETURN;
    ERR_clear_error();
    return ended;
  }

  void Collect() {
    to_server_.Append(client_.TakeOutput());
    const std::string output(staging().output().begin(), staging().output().end());
    staging().ClearOutput();
    CheckRecords(output);
    to_client_.Append(output);
  }

  void ServerFailed(bool was_done) {
    failed_ = over_ = true;
    FUZZ_CHECK(server_->failure().detail != tlsbridge::tls::FailureDetail::kNone);
    const size_t said_bytes = staging().output().size();
    if (was_done) {
      FUZZ_CHECK(said_bytes <= kMaxAlertRecordBytes + (server_sent_.empty() ? kMaxTicketBytes : 0));
    }
    server_->SendCloseNotify();
    server_->SendInternalError();
    FUZZ_CHECK(staging().output().size() == said_bytes);
  }

  MemoryClient client_;
  std::unique_ptr<Session> server_;
  Wire to_server_;
  Wire to_client_;
  std::string client_sent_;
  std::string server_sent_;
  std::string server_received_;
  bool client_closed_ = false;
  bool server_closed_ = false;
  bool failed_ = false;
  bool over_ = false;  // the server reads no more
};

void Step(uint8_t what, uint8_t much, absl::Span<const uint8_t> rest, Pair* pair) {
  constexpr size_t kAll = SIZE_MAX;
  Wire* const wire = (what & 0x80) == 0 ? pair->to_server() : pair->to_client();
  switch (what & 0x0f) {
    case 0:
      return pair->ToServer(kAll);
    case 1:
      return pair->ToClient(kAll);
    case 2:
      return pair->ToServer(much);
    case 3:
      return pair->ToClient(much);
    case 4:
      return pair->ClientSends(size_t{much} * 100);
    case 5:
      return pair->ServerSends(size_t{much} * 100);
    case 6:
      return pair->ClientCloses();
    case 7:
      return pair->ServerCloses();
    case 8:
      return wire->Corrupt(much);
    case 9:
      wire->Take(much);
      return;
    case 10:
      return wire->Repeat(much);
    case 11:
      return wire->Invent(
          std::string(rest.begin(), rest.begin() + std::min<size_t>(much, rest.size())));
    case 12:
      return pair->ClientLeaves();
    case 13:  // a whole handshake
      for (int i = 0; i < 3; ++i) {
        pair->ToServer(kAll);
        pair->ToClient(kAll);
      }
      return;
    case 14:
      return wire->Corrupt(wire->size() - std::min<size_t>(wire->size(), much));
    default:
      return;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
#if defined(BORINGSSL_UNSAFE_DETERMINISTIC_MODE)
  RAND_reset_for_fuzzing();
#endif
  Pair pair(data[0] % 2 == 0 ? TLS1_3_VERSION : TLS1_2_VERSION);
  absl::Span<const uint8_t> rest(data + 1, size - 1);
  for (size_t step = 0; step < kMaxSteps && rest.size() >= 2; ++step) {
    const uint8_t what = rest[0];
    const uint8_t much = rest[1];
    rest.remove_prefix(2);
    Step(what, much, rest, &pair);
    if ((what & 0x0f) == 11) rest.remove_prefix(std::min<size_t>(much, rest.size()));
  }
  return 0;
}
