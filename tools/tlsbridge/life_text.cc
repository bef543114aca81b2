// The life of one connection, in words.

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/tlsbridge/admin_text.h"
#include "tools/tlsbridge/reason_words.h"

namespace tlsbridge {
namespace {

class Life {
 public:
  void At(double milliseconds, absl::string_view what) {
    absl::StrAppendFormat(&text, "  %10s  %s\n", absl::StrFormat("%.1f ms", milliseconds), what);
  }
  void Then(absl::string_view what) { absl::StrAppendFormat(&text, "  %10s  %s\n", "", what); }
  std::string text;
};

bool Has(const AdminJson& json, const char* key) { return !MemberOf(json, key).is_null(); }

// From accepting to the backend's first byte, as far as it came; returns when that was.
double Begin(const AdminJson& json, Life* life) {
  double at = 0;
  life->At(0, absl::StrCat("accepted on ", TextOf(json, "listener")));
  if (Has(json, "proxied_by")) {
    life->Then(
        absl::StrCat("via ", TextOf(json, "proxied_by"), ", whose PROXY header named the client"));
  }
  const std::string sni = TextOf(json, "sni");
  if (sni != "-" && !sni.empty()) life->Then(absl::StrCat("asked for ", sni));
  if (Has(json, "versions_offered")) {
    life->Then(absl::StrCat("offered ", TextOf(json, "versions_offered")));
  }
  if (Has(json, "route")) life->Then(absl::StrCat("route ", TextOf(json, "route")));
  if (Has(json, "handshake_ms")) {
    at = NumberOf(json, "handshake_ms");
    life->At(at, absl::StrCat("TLS handshake done: ", TextOf(json, "tls"), ", ",
                              TextOf(json, "cipher"), ", group ", TextOf(json, "group"),
                              TextOf(json, "resumed") == "true" ? ", resumed" : ""));
  }
  if (Has(json, "client")) {
    life->Then(absl::StrCat("client certificate of ", TextOf(json, "client")));
  }
  if (Has(json, "refused_client")) {
    life->Then(absl::StrCat("its certificate: ", TextOf(json, "refused_client")));
  }
  if (Has(json, "connect_ms")) {
    at += NumberOf(json, "connect_ms");
    life->At(at, absl::StrCat("backend ", TextOf(json, "backend"), " connected, after ",
                              Span(NumberOf(json, "connect_ms") / 1000)));
  } else if (Has(json, "backend") && !TextOf(json, "backend").empty()) {
    life->Then(absl::StrCat("backend ", TextOf(json, "backend"), " was dialled last"));
  }
  if (Has(json, "first_byte_ms")) {
    at += NumberOf(json, "first_byte_ms");
    life->At(at, "the backend's first byte");
  }
  return at;
}

std::string Bytes(const AdminJson& json) {
  const char* const prefix = Has(json, "ip_bytes_received") ? "ip_" : "";
  return absl::StrCat(TextOf(json, absl::StrCat(prefix, "bytes_received").c_str()),
                      " bytes from the client, ",
                      TextOf(json, absl::StrCat(prefix, "bytes_sent").c_str()), " to it");
}

}  // namespace

std::string LifeText(const AdminJson& connection) {
  Life life;
  const double age = NumberOf(connection, "age_seconds");
  absl::StrAppend(&life.text, "connection ", TextOf(connection, "id"), " of ",
                  TextOf(connection, "peer"), " is open: ", TextOf(connection, "state"), "\n");
  Begin(connection, &life);
  life.At(age * 1000, absl::StrCat("now: ", Bytes(connection)));
  if (Has(connection, "idle_seconds")) {
    life.Then(absl::StrCat("the last byte was moved ", Span(NumberOf(connection, "idle_seconds")),
                           " ago"));
  }
  const auto queue = [&](const char* key, const char* whose) {
    const double bytes = NumberOf(connection, key);
    if (bytes > 0)
      life.Then(absl::StrCat(Short(bytes), " bytes wait for ", whose, " to take them"));
  };
  queue("queued_to_client", "the client");
  queue("queued_to_backend", "the backend");
  for (const char* const side : {"client", "backend"}) {
    for (const AdminJson& why : MemberOf(connection, absl::StrCat(side, "_reads_paused").c_str())) {
      const std::string cause = why.is_string() ? why.get<std::string>() : "";
      if (cause == "other_side_full") {
        life.Then(
            absl::StrCat("nothing is read from the ", side, " until the other side takes more"));
      } else if (cause == "stream_ended") {
        life.Then(absl::StrCat("the ", side, " has ended its stream"));
      } else if (cause == "awaits_turn") {
        life.Then("its handshake is queued");
      }
    }
  }
  if (Has(connection, "reason")) {
    const std::string reason = TextOf(connection, "reason");
    life.Then(absl::StrCat("closing: ", reason, ": ", ReasonInWords(reason)));
  }
  for (const AdminJson& timer : MemberOf(connection, "timers")) {
    life.Then(absl::StrCat("unless something happens it is closed in ",
                           Span(NumberOf(timer, "in_seconds")), ": ", TextOf(timer, "reason")));
  }
  return life.text;
}

std::string EndedLifeText(const AdminJson& ended) {
  const AdminJson& fields = MemberOf(ended, "fields");
  Life life;
  absl::StrAppend(&life.text, "connection ", TextOf(fields, "id"), " of ", TextOf(fields, "peer"),
                  " ended at ", TextOf(ended, "time"), "\n");
  Begin(fields, &life);
  const std::string reason = TextOf(fields, "reason");
  const std::string what = absl::StrCat("ended: ", reason, ": ", ReasonInWords(reason));
  if (Has(fields, "duration_ms")) {
    life.At(NumberOf(fields, "duration_ms"), what);
  } else {
    life.Then(what);
  }
  for (const char* const key : {"detail", "tls_error", "errno"}) {
    if (Has(fields, key)) life.Then(absl::StrCat(key, " ", TextOf(fields, key)));
  }
  if (Has(fields, "incoming")) {
    life.Then(absl::StrCat("the client's side: ", TextOf(fields, "incoming"),
                           "; the backend's: ", TextOf(fields, "outgoing")));
  }
  if (Has(fields, "bytes_received") || Has(fields, "ip_bytes_received")) life.Then(Bytes(fields));
  const double dropped = NumberOf(fields, "bytes_dropped");
  if (dropped > 0) life.Then(absl::StrCat(Short(dropped), " bytes were not delivered"));
  return life.text;
}

}  // namespace tlsbridge
