#include "tools/chaos/client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "tools/chaos/random.h"

namespace tlsbridge::chaos {
namespace {

constexpr size_t kBytesPerStep = 256 * 1024;
constexpr size_t kWireBytes = 64 * 1024;
constexpr int kPiecesPerStep = 32;

std::string Garbage(uint64_t number, size_t bytes) {
  Random random(number, bytes);
  std::string garbage(bytes, '\0');
  for (char& byte : garbage) byte = static_cast<char>(random.Next());
  // Once in 65536 it would look like the beginning of a record of TLS, for whose end the program
  // rightly waits.
  if (bytes > 1 && garbage[1] == 3) garbage[1] = 4;
  return garbage;
}

int PortOf(int fd) {
  const bench::Address address = bench::Address::OfSocket(fd);
  return ntohs(reinterpret_cast<const sockaddr_in*>(address.get())->sin_port);
}

}  // namespace

void Client::Start(Case* c) {
  c_ = c;
  content_.emplace(plan().number, From::kClient);
  expected_.emplace(plan().number, From::kBackend);
  verifier_.Begin(plan().mode == BackendMode::kServerFirst ? kHeaderBytes : 0);
  deadline_ = World::Now() + around_.patience;
  absl::StatusOr<Socket> socket = Socket::Dial(around_.program, plan().client.buffer_bytes);
  if (!socket.ok()) return Done();
  socket_ = *std::move(socket);
  seen().port = PortOf(socket_.fd());
  if (plan().kind == Kind::kGarbage) {
    wire_ = Garbage(plan().number, plan().foul_count);
  } else if (plan().kind == Kind::kPlainHttp) {
    wire_ = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
  } else {
    tls_ = std::make_unique<TlsClient>(around_.tls, plan().resume);
  }
  queued_ = wire_.size();
  around_.world->Watch(socket_.fd(), this);
  around_.world->WakeAfter(this, around_.patience);
}

bool Client::FinishConnecting() {
  const int result = socket_.ConnectResult();
  if (result < 0) return false;
  if (result != 0 && result != ECONNRESET) {
    Done();
    return false;
  }
  connected_ = seen().connected = true;
  return true;
}

void Client::Step() {
  if (finished_) return;
  if (World::Now() >= deadline_) {
    seen().hung = true;
    return Done();
  }
  if (!connected_ && !FinishConnecting()) return;
  Receive();
  const uint64_t before = on_wire_;
  Produce();
  Transmit();
  if (finished_) return;
  if (Finished()) return Done();
  // What the kernel took all of makes no event; there may be more to write.
  if (wire_.empty() && on_wire_ > before) around_.world->WakeSoon(this);
}

// ---- Receiving.

void Client::Receive() {
  if (!stall_over_ && verifier_.received() >= plan().client.stall_at) {
    if (stalled_until_ == absl::InfinitePast()) {
      stalled_until_ = World::Now() + plan().client.stall;
      around_.world->WakeAfter(this, plan().client.stall);
    }
    if (World::Now() < stalled_until_) return;
    stall_over_ = true;
  }
  std::string raw, plaintext;
  if (socket_.Receive(&raw, kBytesPerStep)) around_.world->WakeSoon(this);
  seen().peer_end = socket_.peer_end();
  if (!speaks_tls()) {
    // The program answers with an alert, in the clear.
    if (raw.size() == 7 && raw[0] == SSL3_RT_ALERT) {
      seen().alert_received = static_cast<uint8_t>(raw[6]);
    }
    return;
  }
  tls_->Receive(raw, &plaintext);
  seen().close_notify_received = tls_->close_notify_received();
  seen().alert_received = tls_->alert_received();
  seen().complaint = tls_->complaint();
  const bool had_header = verifier_.header_complete();
  verifier_.Receive(plaintext);
  if (!had_header && verifier_.header_complete()) {
    around_.on_token(DecodeHeader(verifier_.header()), plan().number);
  }
  if (!verifier_.Check(*expected_)) seen().garbled = true;
  seen().received = verifier_.received();
}

// ---- Sending.

void Client::MoveToWire() {
  if (tls_ == nullptr) return;
  std::string& output = tls_->output();
  if (output.empty()) return;
  const uint64_t at = plan().corrupt_at;
  if (at >= queued_ && at - queued_ < output.size()) {
    output[at - queued_] = static_cast<char>(output[at - queued_] ^ (1 << plan().corrupt_bit));
    // A record's header is not protected during the handshake: a wrong bit may do no harm there.
    if (seen().handshake_done && at >= seen().handshake_bytes) foul_offset_ = at;
  }
  queued_ += output.size();
  wire_ += output;
  output.clear();
}

void Client::Produce() {
  MoveToWire();
  if (tls_ == nullptr || !tls_->handshake_done()) return;
  if (!seen().handshake_done) {
    seen().handshake_done = true;
    seen().handshake_bytes = queued_;
  }
  if (!tls_->complaint().empty()) return;
  while (wire_.size() < kWireBytes && !stream_ended_ && ProduceSome()) MoveToWire();
  MoveToWire();
  if (stream_ended_ && end_offset_ == kNever) end_offset_ = queued_;
}

// One write, or what comes in its place. False if nothing can be written now.
bool Client::ProduceSome() {
  if (plan().kind == Kind::kSilence) return false;
  if (!header_sent_ && header_bytes() > 0) {
    header_sent_ = true;
    tls_->Send(EncodeHeader(plan().number));
    MoveToWire();
    written_.emplace_back(queued_, kHeaderBytes);
    return true;
  }
  const Script& script = plan().client;
  if (World::Now() < paused_until_) return false;
  if (body_sent_ >= script.hold_at && !seen().close_notify_received) return false;
  if (!fouled_ && body_sent_ >= plan().foul_at) {
    fouled_ = true;
    Foul();
    return true;
  }
  if (body_sent_ >= script.bytes) {
    const bool silent = plan().kind == Kind::kIdle ||
                        (plan().kind == Kind::kHalfClosedIdle && !plan().client_ends_first);
    if (silent) return false;
    EndStream();
    return true;
  }
  if (writes_ < plan().key_updates) tls_->SendKeyUpdate(plan().key_update_requested);
  uint64_t length = std::min<uint64_t>(script.write_size, script.bytes - body_sent_);
  if (script.hold_at > body_sent_) length = std::min(length, script.hold_at - body_sent_);
  if (plan().foul_at > body_sent_) length = std::min(length, plan().foul_at - body_sent_);
  // A record at a time, so that it is known what is whole when the wire is cut.
  for (const uint64_t end = body_sent_ + length; body_sent_ < end;) {
    const uint64_t most = std::min<uint64_t>(end - body_sent_, TlsClient::kMostPlaintextBytes);
    const absl::string_view bytes = content_->At(body_sent_, most);
    tls_->Send(bytes);
    MoveToWire();
    body_sent_ += bytes.size();
    written_.emplace_back(queued_, header_bytes() + body_sent_);
  }
  if (writes_++ < script.pauses) {
    paused_until_ = World::Now() + script.pause;
    around_.world->WakeAfter(this, script.pause);
  }
  return true;
}

void Client::Foul() {
  const uint64_t begins = queued_;
  switch (plan().kind) {
    case Kind::kInjected:
      tls_->SendRaw(Garbage(plan().number, plan().foul_count));
      foul_offset_ = begins;
      break;
    case Kind::kForged:
      if (!IsHarmless(plan().forgery)) foul_offset_ = begins;
      ForgeRecords();
      break;
    default:
      break;
  }
}

void Client::ForgeRecords() {
  RecordForge* forge = tls_->Forge();
  if (forge == nullptr) {
    seen().complaint = "the agreed cipher cannot be forged";
    return;
  }
  const auto send = [this, forge](uint8_t type, absl::string_view plaintext, size_t padding = 0) {
    tls_->SendRaw(forge->Seal(type, plaintext, padding));
  };
  switch (plan().forgery) {
    case Forgery::kEmptyRecords:
    case Forgery::kTooManyEmpty:
      for (uint32_t i = 0; i < plan().foul_count; ++i) send(SSL3_RT_APPLICATION_DATA, "");
      break;
    case Forgery::kKeyUpdates:
    case Forgery::kTooManyKeyUpdates:
      for (uint32_t i = 0; i < plan().foul_count; ++i) tls_->SendRaw(forge->SealKeyUpdate());
      break;
    case Forgery::kPaddedRecords: {
      const absl::string_view bytes =
          content_->At(body_sent_, std::min<uint64_t>(plan().client.bytes - body_sent_, 100));
      send(SSL3_RT_APPLICATION_DATA, bytes, plan().foul_count);
      MoveToWire();
      body_sent_ += bytes.size();
      written_.emplace_back(queued_, header_bytes() + body_sent_);
      break;
    }
    case Forgery::kUserCanceled:
    case Forgery::kTooManyWarnings:
      for (uint32_t i = 0; i < plan().foul_count; ++i) {
        send(SSL3_RT_ALERT, absl::string_view("\x01\x5a", 2));
      }
      break;
    case Forgery::kDataBehindTheEnd:
      EndStream();
      MoveToWire();
      end_offset_ = queued_;
      send(SSL3_RT_APPLICATION_DATA, "this belongs to no stream");
      break;
    case Forgery::kRenegotiation:
      // A ClientHello's header and a body that is none.
      send(SSL3_RT_HANDSHAKE, absl::string_view("\x01\x00\x00\x10", 4));
      send(SSL3_RT_HANDSHAKE, std::string(16, '\3'));
      break;
    case Forgery::kFatalAlert:
      send(SSL3_RT_ALERT, absl::string_view("\x02\x50", 2));
      break;
    case Forgery::kUnknownRecordType:
      send(42, "the answer");
      break;
    case Forgery::kOversizedRecord:
      send(SSL3_RT_APPLICATION_DATA, std::string(16384 + 1, 'x'));
      break;
  }
}

void Client::EndStream() {
  tls_->SendCloseNotify();
  stream_ended_ = true;
}

void Client::Transmit() {
  if (left_) return;
  int pieces = 0;
  for (size_t taken = 0; !wire_.empty() && !socket_.broken();) {
    size_t limit = wire_.size();
    const bool split = on_wire_ < plan().split_until;
    if (split) limit = std::min<size_t>(limit, plan().split_size);
    if (plan().cut_at != kNever) limit = std::min<uint64_t>(limit, plan().cut_at - on_wire_);
    if (limit == 0) break;
    const size_t sent = socket_.Send(absl::string_view(wire_).substr(0, limit));
    if (sent == 0) break;
    wire_.erase(0, sent);
    on_wire_ += sent;
    taken += sent;
    CountSent();
    // Pieces that leave together may be received together; after a few the program gets its turn.
    if (split ? ++pieces >= kPiecesPerStep : taken >= kBytesPerStep) {
      around_.world->WakeSoon(this);
      break;
    }
  }
  if (on_wire_ == plan().cut_at) return Leave();
  if (end_offset_ <= on_wire_ && wire_.empty() && !fin_sent_ && plan().fin_behind_close_notify) {
    fin_sent_ = true;
    seen().own_end = OwnEnd::kFin;
    socket_.Fin();
  }
  if (tls_ != nullptr && !tls_->complaint().empty() && wire_.empty()) {
    left_ = true;
    seen().own_end = OwnEnd::kFin;
    socket_.Fin();
  }
}

void Client::CountSent() {
  while (!written_.empty() && written_.front().first <= on_wire_) {
    if (written_.front().first <= foul_offset_) seen().sent = written_.front().second;
    written_.pop_front();
  }
  if (on_wire_ > foul_offset_) seen().fouled = true;
  if (on_wire_ >= end_offset_ && foul_offset_ == kNever && !seen().close_notify_sent) {
    seen().close_notify_sent = true;
    seen().wants_no_more = !plan().tls13 && !seen().close_notify_received;
  }
}

// ---- Ending.

void Client::Leave() {
  left_ = true;
  if (plan().kind == Kind::kHandshakeStall) return;
  switch (plan().leave) {
    case chaos::Leave::kFin:
      seen().own_end = OwnEnd::kFin;
      socket_.Fin();
      break;
    case chaos::Leave::kReset:
      seen().own_end = OwnEnd::kReset;
      socket_.Reset();
      Done();
      break;
    case chaos::Leave::kClose:
      seen().own_end = OwnEnd::kClosed;
      socket_.Close();
      Done();
      break;
  }
}

bool Client::Finished() const {
  if (c_->client.peer_end == PeerEnd::kOpen) return false;
  if (c_->client.peer_end == PeerEnd::kReset || left_ || socket_.broken()) return true;
  // The program has ended its stream. Unless in order, there is nothing to stay for.
  if (!c_->client.close_notify_received) return true;
  if (plan().kind == Kind::kHalfClosedIdle && !plan().client_ends_first) return c_->backend.done;
  return plan().waits_for_timeout() || (stream_ended_ && wire_.empty());
}

void Client::Done() {
  finished_ = true;
  seen().took = World::Now() - (deadline_ - around_.patience);
  socket_.Close();
  around_.ledger->ClientDone(c_);
  around_.on_done(this);
}

}  // namespace tlsbridge::chaos
