#include "tools/chaos/case.h"

#include "absl/strings/str_cat.h"

namespace tlsbridge::chaos {
namespace {

constexpr int kInternalError = 80;  // RFC 8446 section 6

absl::string_view OwnEndName(OwnEnd end) {
  constexpr absl::string_view kNames[] = {"none", "FIN", "RST", "close()"};
  return kNames[static_cast<int>(end)];
}

bool DialsNobody(const Plan& plan) {
  return plan.kind == Kind::kConnectAndLeave || plan.kind == Kind::kHandshakeStall ||
         plan.kind == Kind::kGarbage || plan.kind == Kind::kPlainHttp;
}

class Judgement {
 public:
  explicit Judgement(const Case& c)
      : timed_out_(c.timed_out()),
        may_be_removed_(c.may_be_removed),
        plan_(c.plan),
        client_(c.client),
        backend_(c.backend) {}

  std::vector<std::string> Take() {
    if (!client_.connected && !may_be_removed_) Say("the program did not accept the client");
    if (client_.hung) Say("the client waited too long for an end");
    if (backend_.hung) Say("the backend waited too long for an end");
    JudgeBytes();
    if (may_be_removed_) return std::move(found_);
    JudgeApparentEnds();
    if (plan_.orderly()) JudgeOrderly();
    JudgeFaults();
    return std::move(found_);
  }

 private:
  void Say(std::string violation) { found_.push_back(std::move(violation)); }
  void Require(bool holds, absl::string_view violation) {
    if (!holds) Say(std::string(violation));
  }

  // Whatever happens, what arrives is what was sent, from the first byte.
  void JudgeBytes() {
    Require(!client_.garbled, "the client received a byte that the backend did not send there");
    Require(!backend_.garbled, "the backend received a byte that the client did not send there");
    Require(client_.received <= backend_.sent, "the client received more than was sent");
    // A wrong bit in a handshake is noticed by whoever looks first.
    if (plan_.kind != Kind::kCorrupt || client_.handshake_done) {
      Require(client_.complaint.empty(), "the client's TLS could not read what it received");
    }
  }

  // A stream looks complete only if it is.
  void JudgeApparentEnds() {
    if (timed_out_) return;
    if (backend_.peer_end == PeerEnd::kFin) {
      Require(client_.close_notify_sent,
              "the backend saw FIN, but the client has not ended its stream");
      Require(backend_.received == client_.sent,
              "the backend saw FIN, but not all that the client sent");
    }
    if (client_.close_notify_received && !client_.wants_no_more) {
      Require(backend_.own_end == OwnEnd::kFin || backend_.own_end == OwnEnd::kClosed,
              "the client saw close_notify, but the backend has not ended its stream");
      Require(client_.received == backend_.sent,
              "the client saw close_notify, but not all that the backend sent");
    }
  }

  void JudgeOrderly() {
    Require(client_.handshake_done, "the handshake failed");
    Require(backend_.accepted, "the backend was not dialled");
    Require(client_.alert_received < 0, "the client received a fatal alert");
    Require(client_.close_notify_received, "the client saw no close_notify");
    Require(client_.peer_end == PeerEnd::kFin, "the client saw no FIN");
    Require(backend_.peer_end == PeerEnd::kFin, "the backend saw no FIN");
    Require(backend_.received == client_.sent, "bytes of the client are missing");
    if (client_.wants_no_more) return;
    Require(client_.received == backend_.sent, "bytes of the backend are missing");
  }

  void JudgeFaults() {
    if (DialsNobody(plan_)) {
      Require(!backend_.accepted, "the backend was dialled for a client without a handshake");
    }
    const bool stayed = client_.own_end != OwnEnd::kReset && client_.own_end != OwnEnd::kClosed;
    switch (plan_.kind) {
      case Kind::kGarbage:
      case Kind::kPlainHttp:
      case Kind::kHandshakeStall:
        if (stayed) Require(client_.peer_end == PeerEnd::kFin, "the client saw no FIN");
        break;
      case Kind::kHandshakeCut:
      case Kind::kBodyCut:
      case Kind::kConnectAndLeave:
        JudgeCut(stayed);
        break;
      case Kind::kCorrupt:
      case Kind::kInjected:
      case Kind::kForged:
        if (client_.fouled && !plan_.orderly() && !timed_out_) JudgeFouled();
        break;
      case Kind::kBackendResets:
        if (backend_.own_end == OwnEnd::kReset && !client_.wants_no_more) {
          Require(client_.peer_end == PeerEnd::kReset,
                  "the backend's RST did not reach the client as RST");
        }
        break;
      case Kind::kUnreachable:
        JudgeUnreachable();
        break;
      case Kind::kIdle:
        JudgeIdle();
        break;
      default:
        break;
    }
  }

  void JudgeCut(bool stayed) {
    // A cut behind close_notify is none.
    if (client_.close_notify_sent) return;
    if (stayed) Require(client_.peer_end == PeerEnd::kFin, "the client saw no FIN");
    const bool heard = backend_.accepted && backend_.own_end != OwnEnd::kReset;
    if (!heard || client_.own_end == OwnEnd::kNone) return;
    Require(backend_.peer_end == PeerEnd::kReset, "the backend saw no RST for a stream cut short");
    if (client_.own_end == OwnEnd::kFin && plan_.backend.stall_at == kNever) {
      Require(backend_.received == client_.sent,
              "the backend did not get all that came before the cut");
    }
  }

  void JudgeFouled() {
    if (backend_.accepted && backend_.own_end != OwnEnd::kReset) {
      Require(backend_.peer_end == PeerEnd::kReset,
              "the backend saw no RST for a stream that broke");
    }
    Require(client_.peer_end != PeerEnd::kOpen, "the client saw no end");
    // A wrong bit may hide in a length; all else is answered by an alert, unless the program's
    // stream had ended before, or the client told the program by an alert itself.
    const bool told = plan_.kind == Kind::kForged && plan_.forgery == Forgery::kFatalAlert;
    if (plan_.kind != Kind::kCorrupt && !told && !client_.close_notify_received) {
      Require(client_.alert_received >= 0, "the client saw no alert");
    }
  }

  // One whose client has had the last word may wait for an answer.
  void JudgeIdle() {
    const bool in_order = client_.close_notify_received && backend_.peer_end == PeerEnd::kFin;
    const bool cut = !client_.close_notify_received && backend_.peer_end == PeerEnd::kReset;
    Require(in_order || (cut && client_.sent > 0),
            "an idle connection was neither ended in order nor cut amid a request");
  }

  void JudgeUnreachable() {
    Require(client_.received == 0, "bytes came from nobody");
    if (client_.wants_no_more) return;
    if (plan_.mode == BackendMode::kResets) {
      Require(client_.peer_end == PeerEnd::kReset,
              "the backend's RST did not reach the client as RST");
    } else {
      Require(client_.alert_received == kInternalError, "the client saw no internal_error");
      Require(client_.peer_end == PeerEnd::kFin, "the client saw no FIN");
    }
  }

  const bool timed_out_;
  const bool may_be_removed_;
  const Plan& plan_;
  const ClientSide& client_;
  const BackendSide& backend_;
  std::vector<std::string> found_;
};

}  // namespace

std::vector<std::string> Judge(const Case& c) { return Judgement(c).Take(); }

std::set<std::string> PossibleReasons(const Case& c) {
  const Plan& plan = c.plan;
  if (c.may_be_removed) {
    Case lasting = c;
    lasting.may_be_removed = false;
    std::set<std::string> reasons = PossibleReasons(lasting);
    reasons.insert({"no_route", "route_removed", "econnreset"});
    return reasons;
  }
  std::set<std::string> ends = {"closed_incoming", "closed_outgoing"};
  if (plan.backend.hold_at <= plan.backend.bytes) ends.erase("closed_outgoing");
  if (plan.client.hold_at <= plan.client.bytes) ends.erase("closed_incoming");
  // Behind its own close_notify a client may leave as it likes.
  const bool may_be_orderly = c.client.close_notify_sent;

  std::set<std::string> reasons;
  switch (plan.kind) {
    case Kind::kExchange:
      return ends;
    case Kind::kConnectAndLeave:
    case Kind::kGarbage:
      return {"tls_handshake_failed", "handshake_timeout"};
    case Kind::kPlainHttp:
      return {"tls_handshake_failed"};
    case Kind::kHandshakeStall:
      return {"handshake_timeout"};
    case Kind::kHandshakeCut:
    case Kind::kBodyCut:
      reasons = {"tls_handshake_failed", "truncated", "econnreset"};
      if (!c.client.handshake_done) reasons = {"tls_handshake_failed"};
      if (c.client.own_end == OwnEnd::kFin) reasons.erase("econnreset");
      break;
    case Kind::kCorrupt:
      reasons = {"tls_error", "tls_handshake_failed", "handshake_timeout", "truncated",
                 "econnreset"};
      if (c.may_have_timed_out()) {
        reasons.insert({"initial_timeout", "inactivity", "half_close_timeout"});
      }
      break;
    case Kind::kInjected:
      reasons = {"tls_error", "econnreset"};
      break;
    case Kind::kForged:
      if (IsHarmless(plan.forgery)) return ends;
      reasons = {"tls_error", "econnreset"};
      break;
    case Kind::kBackendResets:
      return {"econnreset"};
    case Kind::kBackendVanishes:
      reasons = {"econnreset", "closed_outgoing", "closed_incoming"};
      return reasons;
    case Kind::kUnreachable:
      if (plan.mode == BackendMode::kRefuses) return {"econnrefused"};
      if (plan.mode == BackendMode::kResets) return {"econnreset"};
      return {"connect_timeout"};
    case Kind::kSilence:
      return {"initial_timeout"};
    case Kind::kIdle:
      return {"inactivity"};
    case Kind::kHalfClosedIdle:
      // TLS 1.2's close_notify is answered at once where no answer is awaited.
      if (!plan.tls13 && plan.client_ends_first) return {"half_close_timeout", "closed_incoming"};
      return {"half_close_timeout"};
  }
  if (may_be_orderly) reasons.insert(ends.begin(), ends.end());
  if (c.left_unnamed()) reasons.insert("half_close_timeout");
  return reasons;
}

std::string DescribeOutcome(const Case& c) {
  const ClientSide& client = c.client;
  const BackendSide& backend = c.backend;
  std::string text = absl::StrCat(
      "client (port ", client.port, "): ", client.connected ? "" : "not connected, ",
      client.done ? "" : "not done, ", client.handshake_done ? "" : "no handshake, ", "sent ",
      client.sent, client.fouled ? " and something wrong" : "",
      client.close_notify_sent ? " and close_notify" : "", ", own end ", OwnEndName(client.own_end),
      ", received ", client.received, client.close_notify_received ? " and close_notify" : "",
      client.alert_received >= 0 ? absl::StrCat(" and alert ", client.alert_received) : "",
      ", peer's end ", PeerEndName(client.peer_end), client.complaint.empty() ? "" : ", ",
      client.complaint);
  if (!backend.accepted) return text + "; backend: none";
  absl::StrAppend(&text, "; backend: ", backend.done ? "" : "not done, ", "sent ", backend.sent,
                  ", own end ", OwnEndName(backend.own_end), ", received ", backend.received,
                  ", peer's end ", PeerEndName(backend.peer_end));
  return text;
}

}  // namespace tlsbridge::chaos
