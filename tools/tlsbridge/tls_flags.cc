#include "tools/tlsbridge/tls_flags.h"

#include <string>
#include <utility>

#include "absl/flags/flag.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

ABSL_FLAG(tlsbridge::ValueList, cert, {},
          "PEM file with a certificate, and then its chain. May be repeated: the client's SNI and "
          "what it can verify choose; the first is for all other names.");
ABSL_FLAG(tlsbridge::ValueList, key, {},
          "PEM file with its private key, unencrypted. One for each --cert, in the same order.");
ABSL_FLAG(tlsbridge::ValueList, ocsp, {},
          "File with an OCSP response (DER) to staple; for the first --cert, the second, ...");
ABSL_FLAG(bool, refuse_unknown_sni, false,
          "Refuse clients that ask for a name that no certificate has, or for none.");
ABSL_FLAG(tlsbridge::ValueList, alpn, {},
          "Application protocol to agree on (ALPN), such as h2. May be repeated, best first.");
ABSL_FLAG(std::string, min_tls, "1.2", "Oldest version of TLS: 1.2 or 1.3.");
ABSL_FLAG(std::string, max_tls, "1.3", "Newest version of TLS: 1.2 or 1.3.");
ABSL_FLAG(std::string, ciphers, "",
          "Ciphers of TLS 1.2, best first, with colons between. The default is ECDHE with "
          "AES-128-GCM or ChaCha20-Poly1305, then AES-256-GCM.");
ABSL_FLAG(std::string, groups, "",
          "Key exchange groups, best first, with colons between. The default is X25519, P-256, "
          "P-384, behind the post-quantum hybrid that the library knows.");
ABSL_FLAG(
    std::string, tickets, "auto",
    "Keys of session tickets: auto (random, replaced every 12 h), file:PATH (a base64 secret a "
    "line; the first encrypts), shared:PATH (derived from one secret and the clock, so that "
    "replicas agree) or off.");

ABSL_FLAG(std::string, truncation, "reset",
          "When a client's bytes end without close_notify: reset cuts the backend off, so that a "
          "truncated stream does not look complete; fin passes it on as a normal end.");

ABSL_FLAG(std::string, client_ca, "",
          "PEM file with the CAs of client certificates. Clients must then present one.");
ABSL_FLAG(std::string, client_cert, "",
          "With --client-ca: required (the default), or optional to let clients without one in.");
ABSL_FLAG(std::string, client_crl, "", "PEM file with revocation lists of the client CAs.");
ABSL_FLAG(bool, observe_only, false,
          "Let in clients that --client-ca and the rules would refuse, and log it.");
ABSL_FLAG(tlsbridge::ValueList, allow_cn, {},
          "Let in clients with this common name, compared whole.");
ABSL_FLAG(tlsbridge::ValueList, allow_ou, {}, "... with this organizational unit.");
ABSL_FLAG(tlsbridge::ValueList, allow_dns, {}, "... with this DNS name; *.NAME is one label.");
ABSL_FLAG(tlsbridge::ValueList, allow_ip, {}, "... with this IP address.");
ABSL_FLAG(tlsbridge::ValueList, allow_uri, {},
          "... with this URI, such as spiffe://prod/ns/*/sa/api: * is within a segment, a last /** "
          "everything below.");
ABSL_FLAG(tlsbridge::ValueList, allow_spki, {},
          "... with this public key (base64 of its SHA-256). Any rule of any kind suffices.");

ABSL_FLAG(std::string, backend_ca, "",
          "Speak TLS to the backend, too, and trust the CAs in this PEM file ('system': the "
          "system's).");
ABSL_FLAG(std::string, backend_name, "",
          "The DNS name or IP address that the backend's certificate must be for.");
ABSL_FLAG(std::string, backend_cert, "", "PEM file with the certificate to show to the backend.");
ABSL_FLAG(std::string, backend_key, "", "PEM file with its private key.");
ABSL_FLAG(bool, backend_insecure, false,
          "Speak TLS to the backend without verifying it: whoever answers gets all.");
ABSL_FLAG(std::string, backend_truncation, "reset",
          "When the bytes of a backend that speaks TLS end without close_notify: reset cuts the "
          "client off; fin passes it on as a normal end. --truncation is for the client's bytes.");

namespace tlsbridge {
namespace {

absl::Status Wrong(absl::string_view flag, absl::string_view value, absl::string_view allowed) {
  return absl::InvalidArgumentError(
      absl::StrCat("--", flag, ": '", value, "' is not allowed; use ", allowed));
}

absl::Status Missing(absl::string_view flag, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("--", flag, " is missing", why));
}

absl::Status SetCertificates(ServerTls* tls) {
  const std::vector<std::string> certs = absl::GetFlag(FLAGS_cert).values;
  const std::vector<std::string> keys = absl::GetFlag(FLAGS_key).values;
  const std::vector<std::string> staples = absl::GetFlag(FLAGS_ocsp).values;
  if (certs.empty()) return Missing("cert", "; for example --cert tls.crt");
  if (keys.empty()) return Missing("key", "; for example --key tls.key");
  if (keys.size() != certs.size()) {
    return absl::InvalidArgumentError(absl::StrCat("--key: ", keys.size(), " for ", certs.size(),
                                                   " of --cert; each certificate has its own"));
  }
  if (staples.size() > certs.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--ocsp: ", staples.size(), " for ", certs.size(), " of --cert"));
  }
  for (size_t i = 0; i < certs.size(); ++i) {
    tls->certificates.push_back({certs[i], keys[i], i < staples.size() ? staples[i] : ""});
  }
  return absl::OkStatus();
}

absl::Status SetVersion(absl::string_view flag, const std::string& value, TlsVersion* version) {
  if (value != "1.2" && value != "1.3") return Wrong(flag, value, "1.2 or 1.3");
  *version = value == "1.2" ? TlsVersion::kTls12 : TlsVersion::kTls13;
  return absl::OkStatus();
}

absl::Status SetTruncation(absl::string_view flag, const std::string& value, bool* accept) {
  if (value != "reset" && value != "fin") return Wrong(flag, value, "reset or fin");
  *accept = value == "fin";
  return absl::OkStatus();
}

absl::Status SetTickets(Tickets* tickets) {
  const std::string value = absl::GetFlag(FLAGS_tickets);
  absl::string_view path = value;
  if (value == "auto") {
    tickets->mode = TicketMode::kAuto;
  } else if (value == "off") {
    tickets->mode = TicketMode::kOff;
  } else if (absl::ConsumePrefix(&path, "file:") && !path.empty()) {
    tickets->mode = TicketMode::kFile;
  } else if (absl::ConsumePrefix(&path, "shared:") && !path.empty()) {
    tickets->mode = TicketMode::kShared;
  } else {
    return Wrong("tickets", value, "auto, file:PATH, shared:PATH or off");
  }
  if (path != value) tickets->file = std::string(path);
  return absl::OkStatus();
}

// What each --allow-KIND is as a rule.
void AddRules(absl::string_view kind, const ValueList& patterns, std::vector<std::string>* rules) {
  for (const std::string& pattern : patterns.values) {
    rules->push_back(absl::StrCat(kind, ":", pattern));
  }
}

absl::Status SetClients(ClientAuth* clients) {
  AddRules("cn", absl::GetFlag(FLAGS_allow_cn), &clients->allow);
  AddRules("ou", absl::GetFlag(FLAGS_allow_ou), &clients->allow);
  AddRules("dns", absl::GetFlag(FLAGS_allow_dns), &clients->allow);
  AddRules("ip", absl::GetFlag(FLAGS_allow_ip), &clients->allow);
  AddRules("uri", absl::GetFlag(FLAGS_allow_uri), &clients->allow);
  AddRules("spki", absl::GetFlag(FLAGS_allow_spki), &clients->allow);
  clients->ca = absl::GetFlag(FLAGS_client_ca);
  clients->crl = absl::GetFlag(FLAGS_client_crl);
  clients->observe_only = absl::GetFlag(FLAGS_observe_only);
  const std::string mode = absl::GetFlag(FLAGS_client_cert);
  if (clients->ca.empty()) {
    if (mode.empty() && clients->allow.empty() && clients->crl.empty() && !clients->observe_only) {
      return absl::OkStatus();
    }
    return Missing("client-ca", ": without it no client certificate can be verified");
  }
  if (!mode.empty() && mode != "required" && mode != "optional") {
    return Wrong("client-cert", mode, "required or optional");
  }
  clients->mode =
      mode == "optional" ? ClientCertificateMode::kOptional : ClientCertificateMode::kRequired;
  return absl::OkStatus();
}

absl::Status SetBackendTls(Route* route) {
  BackendTls& tls = route->backend_tls;
  const std::string ca = absl::GetFlag(FLAGS_backend_ca);
  tls.ca = ca == "system" ? "" : ca;
  tls.verify_name = absl::GetFlag(FLAGS_backend_name);
  tls.cert = absl::GetFlag(FLAGS_backend_cert);
  tls.key = absl::GetFlag(FLAGS_backend_key);
  tls.insecure_skip_verify = absl::GetFlag(FLAGS_backend_insecure);
  absl::Status truncation =
      SetTruncation("backend-truncation", absl::GetFlag(FLAGS_backend_truncation),
                    &route->bridge.accept_backend_truncation);
  if (!truncation.ok()) return truncation;
  if (ca.empty() && !tls.insecure_skip_verify) {
    if (route->bridge.accept_backend_truncation) {
      return Missing("backend-ca", ": --backend-truncation is for a backend that speaks TLS");
    }
    if (tls.verify_name.empty() && tls.cert.empty() && tls.key.empty()) return absl::OkStatus();
    return Missing("backend-ca", ": without it no backend can be verified");
  }
  if (!ca.empty() && tls.insecure_skip_verify) {
    return absl::InvalidArgumentError(
        "--backend-insecure: with --backend-ca the backend is verified; give one of them");
  }
  if (!tls.insecure_skip_verify && tls.verify_name.empty()) {
    return Missing("backend-name", ": it is what the backend's certificate must be for");
  }
  if (tls.cert.empty() != tls.key.empty()) {
    return Missing(tls.cert.empty() ? "backend-cert" : "backend-key", ": the two go together");
  }
  route->tls_mode = TlsMode::kTerminateAndReencrypt;
  return absl::OkStatus();
}

}  // namespace

std::vector<FlagGroup> TlsFlagGroups() {
  return {
      {"TLS",
       {"cert", "key", "ocsp", "refuse-unknown-sni", "alpn", "min-tls", "max-tls", "ciphers",
        "groups", "tickets", "truncation"}},
      {"Clients (each --allow may be repeated)",
       {"client-ca", "client-cert", "client-crl", "observe-only", "allow-cn", "allow-ou",
        "allow-dns", "allow-ip", "allow-uri", "allow-spki"}},
      {"TLS to the backend",
       {"backend-ca", "backend-name", "backend-cert", "backend-key", "backend-insecure",
        "backend-truncation"}},
  };
}

absl::Status ApplyTlsFlags(Route* route) {
  ServerTls& tls = route->tls;
  absl::Status status = SetCertificates(&tls);
  tls.refuse_unknown_sni = absl::GetFlag(FLAGS_refuse_unknown_sni);
  tls.alpn = absl::GetFlag(FLAGS_alpn).values;
  tls.ciphers = absl::GetFlag(FLAGS_ciphers);
  tls.groups = absl::GetFlag(FLAGS_groups);
  status.Update(SetVersion("min-tls", absl::GetFlag(FLAGS_min_tls), &tls.min_version));
  status.Update(SetVersion("max-tls", absl::GetFlag(FLAGS_max_tls), &tls.max_version));
  if (status.ok() && tls.min_version > tls.max_version) {
    status = Wrong("max-tls", absl::GetFlag(FLAGS_max_tls), "the version of --min-tls, or a newer");
  }
  status.Update(SetTickets(&tls.tickets));
  status.Update(SetTruncation("truncation", absl::GetFlag(FLAGS_truncation),
                              &route->bridge.accept_truncation));
  status.Update(SetClients(&tls.client));
  status.Update(SetBackendTls(route));
  return status;
}

}  // namespace tlsbridge
