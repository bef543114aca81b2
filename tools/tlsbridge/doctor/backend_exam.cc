#include <algorithm>
#include <list>
#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "bridge/event/event_loop.h"
#include "bridge/live_counters.h"
#include "router/backends/cares_client.h"
#include "router/backends/health_probe.h"
#include "router/backends/probe_talk.h"
#include "tls/staging.h"
#include "tools/tlsbridge/doctor/exams.h"

namespace tlsbridge {
namespace {

constexpr char kArea[] = "backends";
constexpr absl::string_view kBadCertificate = "bad_backend_cert:";
// That are asked at a time.
constexpr size_t kAtATime = 64;
// How long a backend may take to be displeased with a header.
constexpr absl::Duration kPause = absl::Milliseconds(300);

// What all exams share.
struct Tools {
  EventLoop* loop;
  LiveCounters live;
  tls::Staging staging;
};

// Sends nothing of its own, and waits a moment whether the backend ends the connection, or answers
// as nobody would who awaits a client's first bytes.
class HeaderRejection final : public ProbeTalk {
 public:
  ProbeStep Begin() override { return {}; }
  ProbeStep Receive(absl::Span<const uint8_t> bytes) override {
    const absl::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    // Any other may be a greeting.
    if (!absl::StartsWith(text, "HTTP/1.") || !absl::StrContains(text.substr(0, 13), " 4")) {
      return {ProbeStep::Result::kPassed};
    }
    return {ProbeStep::Result::kFailed, "", "answers it as a bad request"};
  }
  ProbeStep ReceiveEnd() override {
    return {ProbeStep::Result::kFailed, "", "closes the connection when it receives one"};
  }
};

class BackendExam {
 public:
  BackendExam(Tools* tools, const Route& route, const Backend& backend,
              std::shared_ptr<const tls::BackendContext> context)
      : tools_(tools),
        route_(route),
        backend_(backend),
        context_(std::move(context)),
        finding_{Health::kOk, kArea, "", ""} {
    if (backend.address.kind == BackendAddress::Kind::kSocket) {
      addresses_ = {backend.address.socket};
      return;
    }
    client_ = std::make_unique<CaresClient>(tools_->loop, route.dns);
  }
  BackendExam(const BackendExam&) = delete;
  BackendExam& operator=(const BackendExam&) = delete;

  void Start() {
    switch (backend_.address.kind) {
      case BackendAddress::Kind::kSocket:
        return Dial();
      case BackendAddress::Kind::kDns:
        return LookUp(backend_.address.name, backend_.address.port);
      case BackendAddress::Kind::kSrv:
        query_ = client_->LookUpServices(
            backend_.address.name,
            [this](absl::StatusOr<SrvAnswer> answer) { OnServices(std::move(answer)); });
        return;
    }
  }
  bool done() const { return done_; }
  const Route& route() const { return route_; }
  const Finding& finding() const { return finding_; }

 private:
  std::string Name() const {
    return absl::StrCat(route_.name, ": ", backend_.address.ToString(), meaning_);
  }
  void Finish(Health health, absl::string_view what, std::string remedy) {
    finding_ = {health, kArea, absl::StrCat(Name(), " ", what), std::move(remedy)};
    done_ = true;
  }

  void LookUp(const std::string& name, uint16_t port) {
    query_ = client_->LookUpAddresses(name, port, [this](absl::StatusOr<AddressAnswer> answer) {
      OnAddresses(std::move(answer));
    });
  }
  void OnServices(absl::StatusOr<SrvAnswer> answer) {
    if (!answer.ok()) return CannotLookUp(answer.status(), "SRV");
    if (answer->records.empty()) {
      return Finish(Health::kFail, "has an SRV record that says it has no server (target '.')",
                    Dig("SRV"));
    }
    // The one that is asked first.
    const SrvRecord first =
        *std::min_element(answer->records.begin(), answer->records.end(),
                          [](const auto& a, const auto& b) { return a.priority < b.priority; });
    // Not inside the answer to the question that it replaces.
    tools_->loop->Post([this, first] { LookUp(first.target, first.port); });
  }
  void OnAddresses(absl::StatusOr<AddressAnswer> answer) {
    if (!answer.ok()) return CannotLookUp(answer.status(), "A");
    addresses_ = answer->addresses;
    meaning_ = absl::StrCat(" (",
                            absl::StrJoin(addresses_, ", ",
                                          [](std::string* out, const SocketAddress& address) {
                                            absl::StrAppend(out, address.ToString());
                                          }),
                            ")");
    if (route_.tls_mode == TlsMode::kTerminate && !route_.unsafe_backend) {
      std::erase_if(addresses_, [](const SocketAddress& one) { return !one.is_loopback(); });
    }
    if (addresses_.empty()) {
      return Finish(
          Health::kFail,
          "is on another machine, and not used: traffic to it would cross the network unencrypted",
          "use TLS to the backend (tls.mode: terminate-and-reencrypt, --backend-ca), or allow "
          "plaintext: unsafe_backend (--unsafe-backend)");
    }
    Dial();
  }
  std::string Dig(absl::string_view type) const {
    const std::vector<SocketAddress>& servers = route_.dns.servers;
    std::string server;
    if (!servers.empty()) {
      const std::string text = servers.front().ToString();
      server =
          absl::StrCat("@", text.substr(0, text.rfind(':')), " -p ", servers.front().port(), " ");
    }
    if (server.empty() && type == "A") return absl::StrCat("getent ahosts ", backend_.address.name);
    return absl::StrCat("dig ", server, backend_.address.name, " ", type);
  }
  void CannotLookUp(const absl::Status& status, absl::string_view type) {
    Finish(Health::kFail, absl::StrCat("cannot be resolved: ", std::string(status.message())),
           absl::StrCat(Dig(type), "; correct the name or the name server"));
  }

  // First as a connection of the route would.
  void Dial() {
    std::unique_ptr<ProbeTalk> talk = context_ != nullptr ? Tls() : ConnectTalk();
    if (context_ == nullptr && route_.send_proxy != ProxyProtocol::kNone) {
      talk = std::make_unique<HeaderRejection>();
    }
    const bool waits = context_ == nullptr && route_.send_proxy != ProxyProtocol::kNone;
    Probe(route_.send_proxy, std::move(talk), waits ? kPause : route_.timeouts.connect,
          [this, waits](const absl::Status& status) {
            // Silence is what is hoped for.
            const bool silent = waits && absl::IsDeadlineExceeded(status);
            OnFirst(silent ? absl::OkStatus() : status);
          });
  }
  std::unique_ptr<ProbeTalk> Tls() {
    return TlsTalk(context_, &tools_->staging, backend_.address.ToString());
  }
  void Probe(ProxyProtocol header, std::unique_ptr<ProbeTalk> talk, absl::Duration timeout,
             HealthProbe::OnDone done) {
    auto probe = std::make_unique<HealthProbe>(tools_->loop, &tools_->live, addresses_,
                                               BehindProxyHeader(header, std::move(talk)), timeout,
                                               std::move(done));
    probe_ = std::move(probe);
  }

  bool Connected(const absl::Status& status) const {
    return absl::StartsWith(status.message(), "tls: ") ||
           absl::StrContains(status.message(), "during the handshake") ||
           absl::StrContains(status.message(), "cannot receive");
  }
  void OnFirst(const absl::Status& status) {
    if (status.ok()) return Finish(Health::kOk, OkText(), "");
    const bool sends = route_.send_proxy != ProxyProtocol::kNone;
    if (context_ == nullptr) {
      if (sends && !absl::StrContains(status.message(), "cannot connect")) {
        return Finish(
            Health::kFail,
            absl::StrCat("does not expect a PROXY header: it ", std::string(status.message())),
            "remove send_proxy_protocol (--send-proxy), or let the service accept the header: "
            "nginx listen ... proxy_protocol, haproxy bind ... accept-proxy");
      }
      return Unreachable(status);
    }
    if (!Connected(status)) return Unreachable(status);
    if (absl::StrContains(status.message(), kBadCertificate)) return BadCertificate(status);
    // It may be the header that is missing, or that it does not want. Not inside the callback.
    tools_->loop->Post([this, status, sends] {
      Probe(sends ? ProxyProtocol::kNone : ProxyProtocol::kV2, Tls(), route_.timeouts.connect,
            [this, status, sends](const absl::Status& other) {
              if (!other.ok()) return BadHandshake(status);
              Finish(Health::kFail,
                     sends
                         ? "does not expect a PROXY header: without one the TLS handshake succeeds"
                         : "expects a PROXY header: with one the TLS handshake succeeds",
                     sends ? "remove send_proxy_protocol (--send-proxy)"
                           : "send_proxy_protocol: v2 (--send-proxy=v2)");
            });
    });
  }
  void Unreachable(const absl::Status& status) {
    const std::string address = addresses_.front().ToString();
    const std::string path = addresses_.front().unix_path();
    std::string remedy;
    if (!path.empty()) {
      remedy = absl::StrCat("ls -l ", path,
                            "; start the service, or correct the path or its permissions");
    } else if (absl::StrContains(status.message(), "refused")) {
      remedy = absl::StrCat("start the service, or correct the address: ss -ltn 'sport = :",
                            addresses_.front().port(), "' shows whether it listens");
    } else {
      remedy = absl::StrCat(
          "check whether a firewall or the network's routing blocks it: curl -v telnet://",
          address);
    }
    Finish(Health::kFail,
           absl::StrCat("does not accept connections: ", std::string(status.message())),
           std::move(remedy));
  }
  void BadHandshake(const absl::Status& status) {
    Finish(
        Health::kFail,
        absl::StrCat("accepts connections, but not TLS: ", std::string(status.message())),
        absl::StrCat(
            "openssl s_client -connect ", addresses_.front().ToString(),
            context_->server_name().empty() ? "" : " -servername ", context_->server_name(),
            route_.backend_tls.ca.empty() ? "" : " -CAfile ", route_.backend_tls.ca,
            " shows its answer; backend_tls (--backend-ca, --backend-name) says what it must be"));
  }
  void BadCertificate(const absl::Status& status) {
    const absl::string_view message = status.message();
    const absl::string_view why =
        message.substr(message.find(kBadCertificate) + kBadCertificate.size());
    const std::string show =
        absl::StrCat("openssl s_client -showcerts -connect ", addresses_.front().ToString());
    std::string remedy =
        absl::StrCat(show, " shows what is wrong with it; the service must renew it");
    const std::string& ca = route_.backend_tls.ca;
    if (why == "untrusted") {
      remedy = absl::StrCat(show, " shows who issued it: that CA must be in ",
                            ca.empty() ? "a file named by" : ca, " (backend_tls.ca, --backend-ca)");
    } else if (why == "wrong_name") {
      remedy = absl::StrCat(show,
                            " | openssl x509 -noout -ext subjectAltName shows its names: "
                            "backend_tls.verify_name (--backend-name) must be one of them");
    }
    Finish(Health::kFail,
           absl::StrCat("presents a certificate that is not accepted: ", std::string(why)),
           std::move(remedy));
  }
  std::string OkText() const {
    if (context_ == nullptr) {
      return route_.send_proxy == ProxyProtocol::kNone ? "accepts connections"
                                                       : "accepts connections and the PROXY header";
    }
    return context_->verifies() ? absl::StrCat("completes the TLS handshake, verified as ",
                                               route_.backend_tls.verify_name)
                                : "completes the TLS handshake; its certificate is not verified";
  }

  Tools* const tools_;  // Not owned.
  const Route& route_;
  const Backend& backend_;
  const std::shared_ptr<const tls::BackendContext> context_;  // null: plaintext, or not ours
  std::vector<SocketAddress> addresses_;
  std::string meaning_;  // of a name
  Finding finding_;
  bool done_ = false;
  std::unique_ptr<CaresClient> client_;
  std::unique_ptr<DnsQuery> query_;
  std::unique_ptr<HealthProbe> probe_;
};

// Null where its files are bad, which is told of already.
std::shared_ptr<const tls::BackendContext> ContextOf(const Route& route, const RouteTls& tls) {
  if (tls.files.backend.content == nullptr) return nullptr;
  auto context = MakeBackendContext(route.backend_tls, *tls.files.backend.content);
  return context.ok() ? *std::move(context) : nullptr;
}

// Where others of its route stand in for one that does not answer, that is no failure.
void Report(const std::list<BackendExam>& exams, Diagnosis* diagnosis) {
  for (const BackendExam& exam : exams) {
    Finding finding = exam.finding();
    const bool others = std::any_of(exams.begin(), exams.end(), [&exam](const BackendExam& other) {
      return &other.route() == &exam.route() && other.finding().health == Health::kOk;
    });
    if (finding.health == Health::kFail && others) finding.health = Health::kWarn;
    diagnosis->Add(std::move(finding));
  }
}

}  // namespace

void ExamineBackends(const Patient& patient, Diagnosis* diagnosis) {
  const auto loop = EventLoop::Create(&patient.clock);
  if (!loop.ok()) {
    return diagnosis->Fail(kArea, std::string(loop.status().message()), "see machine, above");
  }
  Tools tools = {.loop = loop->get(), .live = {}, .staging = {}};
  std::list<BackendExam> exams;
  const std::vector<Route>& routes = patient.parsed.config.routes;
  for (size_t i = 0; i < routes.size(); ++i) {
    const Route& route = routes[i];
    if (route.action != RouteAction::kForward) continue;
    const bool speaks_tls = route.tls_mode == TlsMode::kTerminateAndReencrypt;
    auto context = speaks_tls && i < patient.files.tls.size()
                       ? ContextOf(route, patient.files.tls[i])
                       : nullptr;
    if (speaks_tls && context == nullptr) continue;
    for (const Backend& backend : route.backends) {
      const bool is_read = backend.address.kind != BackendAddress::Kind::kSocket ||
                           backend.address.socket.family() != AF_UNSPEC;
      if (is_read) exams.emplace_back(&tools, route, backend, context);
    }
  }
  auto next = exams.begin();
  for (auto first = exams.begin(); first != exams.end(); first = next) {
    for (size_t begun = 0; begun < kAtATime && next != exams.end(); ++begun, ++next) next->Start();
    while (!std::all_of(first, next, [](const BackendExam& exam) { return exam.done(); })) {
      (*loop)->Turn(/*wait=*/true);
    }
  }
  Report(exams, diagnosis);
}

}  // namespace tlsbridge
