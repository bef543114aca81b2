#include "tools/chaos/plan.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "tools/chaos/random.h"

namespace tlsbridge::chaos {
namespace {

// How many of 10,000 connections are of each kind. Those that wait for a timeout are few.
struct Share {
  Kind kind;
  int of_10000;
};
constexpr Share kShares[] = {
    {Kind::kExchange, 4000},     {Kind::kConnectAndLeave, 200}, {Kind::kHandshakeCut, 1500},
    {Kind::kHandshakeStall, 30}, {Kind::kBodyCut, 1000},        {Kind::kGarbage, 250},
    {Kind::kPlainHttp, 150},     {Kind::kCorrupt, 500},         {Kind::kInjected, 200},
    {Kind::kForged, 760},        {Kind::kBackendResets, 700},   {Kind::kBackendVanishes, 450},
    {Kind::kUnreachable, 220},   {Kind::kSilence, 10},          {Kind::kIdle, 15},
    {Kind::kHalfClosedIdle, 15},
};

// A little more than the longest handshake of a client, so that every byte of it is a place to cut.
constexpr uint64_t kHandshakeBytes = 700;
// Less than the shortest.
constexpr uint64_t kIncompleteHandshakeBytes = 200;

Kind DrawKind(Random& random) {
  int at = static_cast<int>(random.Below(10000));
  for (const Share& share : kShares) {
    at -= share.of_10000;
    if (at < 0) return share.kind;
  }
  return Kind::kExchange;
}

uint64_t DrawBytes(Random& random) {
  const uint64_t draw = random.Below(1000);
  if (draw < 80) return 0;
  if (draw < 600) return random.Below(2048);
  if (draw < 700) return 16384 * random.Between(1, 6) + random.Below(3) - 1;  // around a record
  if (draw < 930) return random.Below(64 * 1024);
  if (draw < 990) return random.Below(512 * 1024);
  return random.Below(4 * 1024 * 1024);
}

void DrawPace(Random& random, Script& script) {
  constexpr uint32_t kWriteSizes[] = {1, 7, 100, 1460, 4096, 16384, 16385, 65536, 200000};
  script.write_size = kWriteSizes[random.Below(std::size(kWriteSizes))];
  // Not a million system calls for one connection.
  script.write_size =
      std::max<uint32_t>(script.write_size, static_cast<uint32_t>(script.bytes / 400));
  if (random.Percent(8)) {
    script.pauses = static_cast<uint32_t>(random.Between(1, 10));
    script.pause = absl::Milliseconds(random.Between(1, 30));
  }
  if (random.Percent(10)) {
    script.stall_at = random.Below(2) * random.Below(64 * 1024);
    script.stall = absl::Milliseconds(random.Between(1, 400));
  }
}

// Large streams through tiny buffers would take seconds of the kernel's timers.
int DrawBuffer(Random& random, const Plan& plan) {
  if (!random.Percent(10)) return 0;
  const uint64_t most = std::max(plan.client.bytes, plan.backend.bytes);
  return static_cast<int>(random.Between(8 * 1024, 48 * 1024) + most / 20);
}

void DrawOrderOfEnds(Random& random, Plan& plan) {
  switch (random.Below(5)) {
    case 0:  // the client first, and everything from the backend after that
      plan.backend.hold_at = 0;
      break;
    case 1:
      plan.backend.hold_at = random.Below(plan.backend.bytes + 1);
      break;
    case 2:  // the backend first
      plan.client.hold_at = 0;
      break;
    case 3:
      plan.client.hold_at = random.Below(plan.client.bytes + 1);
      break;
    default:  // each as soon as it has sent everything
      break;
  }
}

void DrawBackendFault(Random& random, Plan& plan) {
  plan.client.hold_at = plan.backend.hold_at = kNever;
  if (random.Percent(50)) {
    plan.fault_at_sent = random.Below(plan.backend.bytes + 1);
  } else {
    plan.fault_at_received = random.Below(plan.client.bytes + 1);
  }
  plan.fin_before_vanishing = random.Percent(50);
}

bool NeedsTls13(Forgery forgery) {
  return forgery == Forgery::kPaddedRecords || forgery == Forgery::kKeyUpdates ||
         forgery == Forgery::kTooManyKeyUpdates;
}

void DrawForgery(Random& random, Plan& plan) {
  plan.forgery = static_cast<Forgery>(random.Below(kForgeries));
  if (NeedsTls13(plan.forgery)) plan.tls13 = true;
  plan.foul_at = random.Below(plan.client.bytes + 1);
  if (plan.forgery == Forgery::kDataBehindTheEnd) plan.foul_at = plan.client.bytes;
  plan.key_updates = 0;  // forging begins with the session's first keys
  switch (plan.forgery) {
    case Forgery::kEmptyRecords:
    case Forgery::kKeyUpdates:
      plan.foul_count = static_cast<uint32_t>(random.Between(1, 32));
      break;
    case Forgery::kTooManyEmpty:
    case Forgery::kTooManyKeyUpdates:
      plan.foul_count = 33;
      break;
    case Forgery::kUserCanceled:
      plan.foul_count = static_cast<uint32_t>(random.Between(1, 4));
      break;
    case Forgery::kTooManyWarnings:
      plan.foul_count = 5;
      break;
    case Forgery::kPaddedRecords:
      plan.foul_count = static_cast<uint32_t>(random.Between(1, 1000));
      break;
    default:
      break;
  }
}

BackendMode DrawUnreachable(Random& random) {
  const uint64_t draw = random.Below(100);
  if (draw < 45) return BackendMode::kRefuses;
  return draw < 90 ? BackendMode::kResets : BackendMode::kNeverAnswers;
}

void DrawFault(Random& random, Plan& plan) {
  switch (plan.kind) {
    case Kind::kExchange:
      break;
    case Kind::kConnectAndLeave:
      plan.cut_at = 0;
      break;
    case Kind::kHandshakeCut:
      plan.cut_at = random.Below(kHandshakeBytes);
      break;
    case Kind::kHandshakeStall:
      plan.cut_at = random.Below(kIncompleteHandshakeBytes);
      break;
    case Kind::kBodyCut:
      // Most records are as long as the write; the overhead hardly matters.
      plan.cut_at = kHandshakeBytes / 2 + random.Below(plan.client.bytes + 200);
      break;
    case Kind::kCorrupt:
      plan.corrupt_at = random.Below(kHandshakeBytes + plan.client.bytes + 100);
      plan.corrupt_bit = static_cast<int>(random.Below(8));
      break;
    case Kind::kInjected:
      plan.foul_at = random.Below(plan.client.bytes + 1);
      plan.foul_count = static_cast<uint32_t>(random.Between(1, 2000));
      break;
    case Kind::kGarbage:
      plan.foul_count = static_cast<uint32_t>(random.Between(1, 5000));
      break;
    case Kind::kForged:
      DrawForgery(random, plan);
      break;
    case Kind::kBackendResets:
    case Kind::kBackendVanishes:
      DrawBackendFault(random, plan);
      break;
    case Kind::kUnreachable:
      plan.mode = DrawUnreachable(random);
      break;
    case Kind::kSilence:
      plan.mode = BackendMode::kClientFirst;
      plan.client.bytes = plan.backend.bytes = 0;
      break;
    case Kind::kIdle:
    case Kind::kHalfClosedIdle:
      plan.client.hold_at = plan.backend.hold_at = kNever;
      break;
    case Kind::kPlainHttp:
      break;
  }
}

}  // namespace

absl::string_view KindName(Kind kind) {
  constexpr absl::string_view kNames[kKinds] = {
      "exchange",        "connect_and_leave", "handshake_cut", "handshake_stall", "body_cut",
      "garbage",         "plain_http",        "corrupt",       "injected",        "forged",
      "backend_resets",  "backend_vanishes",  "unreachable",   "silence",         "idle",
      "half_closed_idle"};
  return kNames[static_cast<int>(kind)];
}

absl::string_view ForgeryName(Forgery forgery) {
  constexpr absl::string_view kNames[kForgeries] = {
      "empty_records",        "too_many_empty", "padded_records",      "key_updates",
      "too_many_key_updates", "user_canceled",  "too_many_warnings",   "data_behind_end",
      "renegotiation",        "fatal_alert",    "unknown_record_type", "oversized_record"};
  return kNames[static_cast<int>(forgery)];
}

bool IsHarmless(Forgery forgery) {
  return forgery == Forgery::kEmptyRecords || forgery == Forgery::kPaddedRecords ||
         forgery == Forgery::kKeyUpdates || forgery == Forgery::kUserCanceled ||
         forgery == Forgery::kDataBehindTheEnd;
}

Plan DrawPlan(uint64_t seed, uint64_t number) {
  Random random(seed, number);
  Plan plan;
  plan.number = number;
  plan.kind = DrawKind(random);
  plan.tls13 = random.Percent(60);
  plan.resume = random.Percent(25);
  plan.mode = random.Percent(25) ? BackendMode::kServerFirst : BackendMode::kClientFirst;
  plan.leave = static_cast<Leave>(random.Below(3));
  plan.fin_behind_close_notify = random.Percent(60);
  plan.client.bytes = DrawBytes(random);
  plan.backend.bytes = DrawBytes(random);
  DrawPace(random, plan.client);
  DrawPace(random, plan.backend);
  plan.client.buffer_bytes = DrawBuffer(random, plan);
  plan.backend.buffer_bytes = DrawBuffer(random, plan);
  DrawOrderOfEnds(random, plan);
  if (random.Percent(10)) {
    plan.split_until = kHandshakeBytes;
    plan.split_size = random.Percent(60) ? 1 : static_cast<uint32_t>(random.Between(2, 50));
  }
  if (plan.tls13 && random.Percent(15)) {
    plan.key_updates = static_cast<uint32_t>(random.Between(1, 20));
    plan.key_update_requested = random.Percent(60);
  }
  plan.client_ends_first = random.Percent(50);
  DrawFault(random, plan);
  return plan;
}

namespace {

std::string DescribeScript(const Script& script) {
  std::string text = absl::StrCat(script.bytes, " bytes by ", script.write_size);
  if (script.hold_at != kNever) absl::StrAppend(&text, ", waits at ", script.hold_at);
  if (script.pauses > 0) {
    absl::StrAppend(&text, ", ", script.pauses, " pauses of ", absl::FormatDuration(script.pause));
  }
  if (script.stall_at != kNever) {
    absl::StrAppend(&text, ", stalls at ", script.stall_at, " for ",
                    absl::FormatDuration(script.stall));
  }
  if (script.buffer_bytes > 0) absl::StrAppend(&text, ", buffers of ", script.buffer_bytes);
  return text;
}

}  // namespace

std::string Describe(const Plan& plan) {
  constexpr absl::string_view kModes[kBackendModes] = {"client first", "backend first", "refuses",
                                                       "resets", "never answers"};
  constexpr absl::string_view kLeaves[] = {"FIN", "RST", "close()"};
  std::string text = absl::StrCat(
      KindName(plan.kind), ", TLS ", plan.tls13 ? "1.3" : "1.2", plan.resume ? " resumed" : "",
      ", backend: ", kModes[static_cast<int>(plan.mode)], "; client: ", DescribeScript(plan.client),
      "; backend: ", DescribeScript(plan.backend));
  if (plan.split_until > 0) {
    absl::StrAppend(&text, "; first ", plan.split_until, " on the wire by ", plan.split_size);
  }
  if (plan.cut_at != kNever) {
    absl::StrAppend(
        &text, "; cut on the wire at ", plan.cut_at, " with ",
        plan.kind == Kind::kHandshakeStall ? "silence" : kLeaves[static_cast<int>(plan.leave)]);
  }
  if (plan.corrupt_at != kNever) {
    absl::StrAppend(&text, "; bit ", plan.corrupt_bit, " of byte ", plan.corrupt_at,
                    " on the wire is wrong");
  }
  if (plan.kind == Kind::kForged) absl::StrAppend(&text, "; forged: ", ForgeryName(plan.forgery));
  if (plan.foul_at != kNever) {
    absl::StrAppend(&text, "; foul at ", plan.foul_at, " x ", plan.foul_count);
  }
  if (plan.key_updates > 0) {
    absl::StrAppend(&text, "; ", plan.key_updates, " key updates",
                    plan.key_update_requested ? ", answers requested" : "");
  }
  if (plan.backend_fails()) {
    const bool by_sent = plan.fault_at_sent != kNever;
    absl::StrAppend(&text, "; fault when it has ", by_sent ? "sent " : "received ",
                    by_sent ? plan.fault_at_sent : plan.fault_at_received,
                    plan.fin_before_vanishing ? ", behind FIN" : "");
  }
  if (!plan.fin_behind_close_notify) absl::StrAppend(&text, "; no FIN behind close_notify");
  return text;
}

}  // namespace tlsbridge::chaos
