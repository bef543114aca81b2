#include "router/yaml/keys.h"
#include "router/yaml/values.h"

namespace tlsbridge::yaml {
namespace {

TypePtr<TlsVersion> VersionType() {
  return EnumType<TlsVersion>({{"1.2", TlsVersion::kTls12}, {"1.3", TlsVersion::kTls13}});
}

TypePtr<CertificateFiles> CertificateKeys() {
  return Object<CertificateFiles>({
      Key::At<&CertificateFiles::cert>("cert", FileType("PEM"),
                                       "the leaf certificate, followed by its chain")
          .Required(),
      Key::At<&CertificateFiles::key>("key", FileType("PEM"),
                                      "its private key, unencrypted; may be the same file")
          .Required(),
      Key::At<&CertificateFiles::ocsp>("ocsp", FileType("DER"), "an OCSP response to staple"),
  });
}

TypePtr<ClientAuth> ClientAuthKeys() {
  using Mode = ClientCertificateMode;
  return Object<ClientAuth>({
      Key::At<&ClientAuth::mode>(
          "mode",
          EnumType<Mode>(
              {{"off", Mode::kOff}, {"optional", Mode::kOptional}, {"required", Mode::kRequired}}),
          "whether clients must present a certificate; with optional, one that is presented must "
          "be valid")
          .Required(),
      Key::At<&ClientAuth::ca>("ca", FileType("PEM"), "CAs that client certificates must chain to"),
      Key::At<&ClientAuth::crl>("crl", FileType("PEM"), "revocation lists of these CAs"),
      Key::At<&ClientAuth::allow>(
          "allow", ListOf(AllowRuleType()),
          "clients to allow: those that any rule matches; all if omitted. `cn:` and `ou:` match "
          "the whole name; `dns:NAME` or `dns:*.NAME` (one label); `ip:ADDRESS`; "
          "`uri:spiffe://prod/ns/*/sa/api` (`*` matches within a segment, a trailing `/**` "
          "everything below); `spki:` and the base64 of the public key's SHA-256, as `openssl x509 "
          "-in CERT -pubkey -noout | openssl pkey -pubin -outform DER | openssl dgst -sha256 "
          "-binary | base64` prints"),
      Key::At<&ClientAuth::observe_only>(
          "observe_only", BoolType(),
          "allow all clients, and log those that the rules would have refused"),
  });
}

TypePtr<Tickets> TicketKeys() {
  return Object<Tickets>({
      Key::At<&Tickets::mode>("mode",
                              EnumType<TicketMode>({{"auto", TicketMode::kAuto},
                                                    {"file", TicketMode::kFile},
                                                    {"shared", TicketMode::kShared},
                                                    {"off", TicketMode::kOff}}),
                              "session ticket keys: random in this process, read from a file, "
                              "derived from a secret file so that replicas agree, or no tickets"),
      Key::At<&Tickets::file>(
          "file", FileType("keys or the secret"),
          "for mode file: one key per line, 32 to 256 bytes in base64 (`openssl rand -base64 48`), "
          "8 at most; the first encrypts, all decrypt. For shared: 32 bytes or more; a new secret "
          "takes effect immediately"),
  });
}

TypePtr<bool> TruncationType() { return EnumType<bool>({{"reset", false}, {"fin", true}}); }

}  // namespace

TypePtr<Route> TlsKeys() {
  return Object<Route>({
      Key::At<&Route::tls_mode>(
          "mode",
          EnumType<TlsMode>({{"terminate", TlsMode::kTerminate},
                             {"passthrough", TlsMode::kPassthrough},
                             {"terminate-and-reencrypt", TlsMode::kTerminateAndReencrypt}}),
          "terminate TLS, pass it through untouched, or terminate it and re-encrypt to the "
          "backend"),
      Key::At<&Route::tls, &ServerTls::certificates>(
          "certificates", ListOf(CertificateKeys(), 1),
          "the one that fits the client's SNI, signature algorithms and CAs is presented; the "
          "first is the default"),
      Key::At<&Route::tls, &ServerTls::alpn>("alpn", ListOf(ProtocolType()),
                                             "protocols to negotiate, in order of preference; with "
                                             "backend_tls.alpn only those that are in both"),
      Key::At<&Route::tls, &ServerTls::min_version>("min_version", VersionType(),
                                                    "minimum version of TLS"),
      Key::At<&Route::tls, &ServerTls::max_version>("max_version", VersionType(),
                                                    "maximum version of TLS"),
      Key::At<&Route::tls, &ServerTls::ciphers>(
          "ciphers", CipherListType(),
          "TLS 1.2 ciphers in order of preference, as BoringSSL names them; if omitted ECDHE with "
          "AES-128-GCM or ChaCha20-Poly1305, then AES-256-GCM. Those of TLS 1.3 are fixed, in the "
          "client's order"),
      Key::At<&Route::tls, &ServerTls::groups>(
          "groups", GroupListType(),
          "key exchange groups in order of preference, as BoringSSL names them; if omitted "
          "X25519MLKEM768, which is post-quantum, X25519, P-256, P-384"),
      Key::At<&Route::tls, &ServerTls::refuse_unknown_sni>(
          "refuse_unknown_sni", BoolType(),
          "refuse clients whose SNI no certificate covers; otherwise the first certificate is "
          "presented"),
      Key::At<&Route::tls, &ServerTls::client>("client_auth", ClientAuthKeys(),
                                               "client certificates"),
      Key::At<&Route::tls, &ServerTls::tickets>("tickets", TicketKeys(), "session resumption"),
      Key::At<&Route::bridge, &BridgeOptions::accept_truncation>(
          "truncation", TruncationType(),
          "when a client's stream ends without close_notify (truncation): reset the backend's "
          "connection, or pass it on as a normal end"),
  });
}

TypePtr<Route> BackendTlsKeys() {
  return Object<Route>({
      Key::At<&Route::backend_tls, &BackendTls::ca>(
          "ca", FileType("PEM"), "the CAs of the backends' certificates; the system's if omitted"),
      Key::At<&Route::backend_tls, &BackendTls::verify_name>(
          "verify_name", VerifyNameType(),
          "the DNS name or IP address that the backend's certificate must cover"),
      Key::At<&Route::backend_tls, &BackendTls::sni>(
          "sni", ServerNameType(),
          "SNI to send; if omitted verify_name, unless that is an IP address"),
      Key::At<&Route::backend_tls, &BackendTls::cert>(
          "cert", FileType("PEM"), "client certificate to present, followed by its chain"),
      Key::At<&Route::backend_tls, &BackendTls::key>("key", FileType("PEM"),
                                                     "its private key, unencrypted"),
      Key::At<&Route::backend_tls, &BackendTls::alpn>(
          "alpn", ListOf(ProtocolType()),
          "protocols that may be offered to a backend: it is offered the one negotiated with the "
          "client, or none if none was. A backend that selects none is assumed to speak it (RFC "
          "7301, section 3.2); one that selects another fails"),
      Key::At<&Route::backend_tls, &BackendTls::insecure_skip_verify>(
          "insecure_skip_verify", BoolType(),
          "accept any certificate: a man in the middle can then read and modify everything"),
      Key::At<&Route::bridge, &BridgeOptions::accept_backend_truncation>(
          "truncation", TruncationType(),
          "when a backend's stream ends without close_notify (truncation): reset the client's "
          "connection, or pass it on as a normal end"),
  });
}

}  // namespace tlsbridge::yaml
