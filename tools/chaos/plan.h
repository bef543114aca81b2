// What one connection is going to do, drawn from the seed and the connection's number alone, so
// that it can be repeated.
//
// Thread: any; values. Failure: none.
#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace tlsbridge::chaos {

// Each is the backend of a program of its own, since a program has one backend.
enum class BackendMode : uint8_t {
  kClientFirst,  // waits for the client's header, which says whose connection it is
  kServerFirst,  // sends a header at once; the client's answer to it says whose connection it is
  kRefuses,      // nobody listens
  kResets,       // accepts, then RST
  kNeverAnswers,
};
inline constexpr int kBackendModes = 5;

enum class Kind : uint8_t {
  kExchange,         // both streams end in order
  kConnectAndLeave,  // not a byte
  kHandshakeCut,     // the client leaves after some byte of its handshake
  kHandshakeStall,   // the client falls silent after some byte of its handshake
  kBodyCut,          // the client leaves after some byte behind its handshake
  kGarbage,          // no TLS at all
  kPlainHttp,
  kCorrupt,   // one bit of what the client sends is wrong
  kInjected,  // garbage between two records
  kForged,    // well-encrypted records that BoringSSL would not write; see Forgery
  kBackendResets,
  kBackendVanishes,  // close() without having read everything
  kUnreachable,      // the backend refuses, resets at once or never answers
  kSilence,          // not a byte after the handshake
  kIdle,             // both fall silent
  kHalfClosedIdle,   // one stream ends, the other falls silent
};
inline constexpr int kKinds = static_cast<int>(Kind::kHalfClosedIdle) + 1;

absl::string_view KindName(Kind kind);

// How a client leaves.
enum class Leave : uint8_t { kFin, kReset, kClose };

enum class Forgery : uint8_t {
  kEmptyRecords,  // up to 32 in a row are allowed
  kTooManyEmpty,
  kPaddedRecords,      // TLS 1.3
  kKeyUpdates,         // TLS 1.3; up to 32 in a row are allowed
  kTooManyKeyUpdates,  // TLS 1.3
  kUserCanceled,       // a warning alert; up to 4 in a row are allowed
  kTooManyWarnings,
  kDataBehindTheEnd,  // more data behind close_notify
  kRenegotiation,     // a ClientHello inside the session
  kFatalAlert,
  kUnknownRecordType,
  kOversizedRecord,
};
inline constexpr int kForgeries = static_cast<int>(Forgery::kOversizedRecord) + 1;
absl::string_view ForgeryName(Forgery forgery);
// True if the peer has to accept it.
bool IsHarmless(Forgery forgery);

inline constexpr uint64_t kNever = UINT64_MAX;

// One side's stream, in bytes of plaintext.
struct Script {
  uint64_t bytes = 0;
  // From here it waits until the other side's stream has ended.
  uint64_t hold_at = kNever;
  uint32_t write_size = 16384;
  // A pause after each of the first `pauses` writes.
  absl::Duration pause;
  uint32_t pauses = 0;
  // Reads nothing for a while once this much has been received.
  uint64_t stall_at = kNever;
  absl::Duration stall;
  int buffer_bytes = 0;  // of the kernel, each way; 0: its default
};

struct Plan {
  uint64_t number = 0;
  Kind kind = Kind::kExchange;
  BackendMode mode = BackendMode::kClientFirst;
  bool tls13 = true;
  bool resume = false;
  Script client;
  Script backend;
  bool fin_behind_close_notify = true;  // false: FIN only when the other end has come
  // On the wire, the client's first `split_until` bytes go out in pieces of `split_size`.
  uint64_t split_until = 0;
  uint32_t split_size = 1;
  // On the wire, from 0 to the last byte of the client.
  uint64_t cut_at = kNever;
  Leave leave = Leave::kFin;
  uint64_t corrupt_at = kNever;
  int corrupt_bit = 0;
  // By plaintext sent: where garbage is injected or a forgery begins.
  uint64_t foul_at = kNever;
  Forgery forgery = Forgery::kEmptyRecords;
  uint32_t foul_count = 1;
  uint32_t key_updates = 0;  // one before each of the first so many writes
  bool key_update_requested = false;
  // The backend's fault comes when it has sent or received so many bytes.
  uint64_t fault_at_sent = kNever;
  uint64_t fault_at_received = kNever;
  bool fin_before_vanishing = false;
  bool client_ends_first = true;  // kHalfClosedIdle

  bool waits_for_timeout() const {
    return kind == Kind::kSilence || kind == Kind::kIdle || kind == Kind::kHalfClosedIdle;
  }
  bool backend_fails() const {
    return kind == Kind::kBackendResets || kind == Kind::kBackendVanishes;
  }
  // Both streams end in order unless somebody is at fault.
  bool orderly() const {
    return kind == Kind::kExchange || (kind == Kind::kForged && IsHarmless(forgery));
  }
};

Plan DrawPlan(uint64_t seed, uint64_t number);

// In words, for a report.
std::string Describe(const Plan& plan);

}  // namespace tlsbridge::chaos
