#include "router/yaml/reference_text.h"

namespace tlsbridge::yaml {
namespace {

constexpr char kIntroduction[] = R"(# The configuration file

Every key that `tlsbridge run --config FILE` takes. This page is made from the parser's own table of keys:
`tlsbridge check --reference` prints it, `tlsbridge check --json-schema` prints the same for editors.

- **Unknown keys, contradictions and values out of bounds are errors**, never ignored. `tlsbridge check --config FILE`
  reports all of them, with their positions.
- **Durations** are numbers with units, one or several: `500ms`, `30s`, `5m`, `1h30m`.
- **Files** are relative to the folder of the configuration file. In their names, and nowhere else, `${NAME}` is
  replaced by the variable of the environment, which must be set; `${NAME:-default}` has a default.
- **Addresses** are `HOST:PORT` with a numeric host, `[IPV6]:PORT` (`[fe80::1%eth0]:PORT` on a link), `unix:/PATH` or `unix:@NAME` (abstract).
- **Blocks** of addresses are written `10.0.0.0/8`, `2001:db8::/32` or as one address.
- Anchors, aliases and the merge key `<<` of YAML may be used; tags and several documents may not.
- An empty value is an error; a key that is left out has its default.

## Three whole examples

A sidecar with mTLS, as `tlsbridge sidecar --client-ca ...` does it:

```yaml
listeners: [{address: "0.0.0.0:8443"}]
routes:
  - name: orders
    tls:
      certificates: [{cert: tls.crt, key: tls.key}]
      client_auth:
        mode: required
        ca: clients.crt
        allow: ["uri:spiffe://prod/ns/*/sa/orders", "dns:*.billing.internal"]
    backends: [{address: "127.0.0.1:8080"}]
admin: {address: "unix:/run/tlsbridge/admin"}
shutdown: {drain_delay: 5s}
```

A gateway that chooses by SNI, terminates one service's TLS, re-encrypts another's and passes a third's through:

```yaml
listeners: [{address: "0.0.0.0:443"}, {address: "[::]:443"}]
routes:
  - name: orders
    match: {domains: [orders.internal, "*.orders.internal"]}
    tls: {certificates: [{cert: orders.crt, key: orders.key}], alpn: [h2, http/1.1]}
    backends: [{address: "unix:/run/orders-1.sock"}, {address: "unix:/run/orders-2.sock"}]
    balance: least-connections
    health_check: {kind: tcp}
  - name: billing
    match: {domains: [billing.internal]}
    tls: {mode: terminate-and-reencrypt, certificates: [{cert: billing.crt, key: billing.key}]}
    backends: [{address: "dns:billing.default.svc:443"}]
    backend_tls: {ca: backends.crt, verify_name: billing.internal}
  - name: legacy
    match: {domains: [legacy.internal]}
    tls: {mode: passthrough}
    backends: [{address: "10.7.3.11:443"}]
  - name: others
    match: {domains: ["*"]}
    action: block
admin: {address: "unix:/run/tlsbridge/admin", metrics_address: "0.0.0.0:9902"}
log: {format: json}
```

Connections that the kernel forwards by port:

```yaml
listeners: [{address: "0.0.0.0:993"}]
routes:
  - name: mail
    match: {ports: [993]}
    tls: {mode: passthrough}
    forwarding_engine: nftables
    backends: [{address: "10.7.2.11:993"}, {address: "10.7.2.12:993", weight: 2}]
    balance: source-hash
    health_check: {kind: tls}
    limits: {connections: 50000}
kernel: {on_exit: keep, unavailable: proxy}
admin: {address: "unix:/run/tlsbridge/admin"}
```

Keys that most files have come first in each table below.
)";

constexpr char kExplanations[] = R"(
## What some keys do

- **`keep_fraction`** keeps a failing check or a bad minute from taking a whole route down. With ten backends and `0.5`, at
  most five are ejected; a sixth that fails stays in use. Where health checks leave fewer than five healthy, checks are no
  longer believed: all ten are used, healthy or not. `0` obeys checks always, even when nothing is left (`no_backend`);
  `1` never takes one out.
- **A name that DNS says does not exist** (NXDOMAIN, or no address) keeps its last addresses for `forget_after`, a minute by
  default, because name servers that restart say so, too; then its backends are gone (`backends_gone`), and if there is no
  other, clients end with `no_backend`. A name server that fails or does not answer says nothing about the name: addresses
  stay as long as that lasts (`dns_failed`). A name that has no address yet at the start is looked up until it has one.
- **`truncation`** decides what a FIN without `close_notify` means. It may be an attacker's, who cuts a stream short, so
  `reset` passes it on as RST: a request or an answer that was cut never looks complete. `fin` passes it on as a normal
  end, for peers that never send `close_notify` and whose protocol says itself how long a message is (HTTP with a length).
  `tls.truncation` is about clients, `backend_tls.truncation` about backends.

## Flags and keys

Each flag of `tlsbridge sidecar` is a key of its one route, or of the program, with the same bounds, checks and messages;
`tlsbridge sidecar --help` has them. What there is only in the file:

| keys | why they are no flags |
| --- | --- |
| `routes[].name`, `routes[].priority`, `routes[].match`, `routes[].action`, `routes[].block_with_alert` | a sidecar has one route, which takes every client |
| `routes[].limits`, `routes[].log_level` | with one route, those of the program do the same |
| `routes[].backends[].weight`, `routes[].backends[].drain` | a flag for each backend has no room for more than its address |
| `routes[].tls.mode` | follows from `--backend-ca` and `--backend-insecure`; passthrough is for several routes |
| `routes[].kernel`, `kernel` | the kernel does not terminate TLS |
| `sandbox.read` | a sidecar names its files at the start, and no others later; whether there is one is said by `--sandbox` |

And only as flags, since they are about the process and not about what it serves: `--watch-files`, `--upgrade-timeout`,
`--exit-with`, `--user`, `--core-dumps`.

## Forwarding by the kernel

With `forwarding_engine: nftables` the kernel's packet filter forwards a route's connections. No byte of them passes
through the program, which sees them begin and end. It is for traffic that is routed by port and client address alone and
whose TLS the backend ends: `tls.mode: passthrough`, `match` by `ports` and `client_ip`.

- **What it cannot do** `check` refuses, with what to do instead: TLS, matching by what a ClientHello says (also in another
  route that is asked first about the same clients), PROXY protocol headers either way, UNIX sockets, loopback, IPv4 to
  IPv6, counting what each backend has, slow start, socket options, warnings before a timeout. Backends by name may be
  used. Timeouts are whole seconds; where 0 is off it is 46 days. A connection has one backend: nothing stands in for one
  that does not answer, but `health_check` and `ejection` take it out. The route's own `limits` count its connections,
  those of the whole program, which protect its descriptors and memory, do not: where there are such, `check` wants to know
  the route's own, `0` for none.
- **Backends see** this machine's address, so that each can have some 64,000 connections at a time. With
  `kernel.source: keep` they see the client's; then their route back to clients must lead through this machine, or
  connections time out.
- **Clients that the kernel does not take** reach the listener as ever: those of this machine itself, those that `deny_ip`,
  `allow_ip` or a limit refuses, and all while no backend is good. The program forwards or refuses them, with a reason in
  the log; with `kernel.missed: refuse` it forwards none of them (`nftables_handled`). The kernel does not look
  at what is said; the program forwards only who begins with a ClientHello.
- **It needs** the capability CAP_NET_ADMIN (systemd: `AmbientCapabilities=CAP_NET_ADMIN`) and a kernel that forwards:
  `sysctl -w net.ipv4.ip_forward=1`, for IPv6 `net.ipv6.conf.all.forwarding=1`. The program never sets these two, because
  they make the machine a router. Without them it does not start, or forwards itself with `kernel.unavailable: proxy`.
- **How many** connections there can be is the kernel's affair (`net.netfilter.nf_conntrack_max`); descriptors and memory
  of the program do not matter.
- **Bytes** are those of packets with their headers. For them the program sets `net.netfilter.nf_conntrack_acct=1` and
  `nf_conntrack_timestamp=1`; where it may not, `kernel_accounting_off` says so, and records have none.
- **The end** of a connection is what connection tracking takes for it. A side that ends its stream, and sends that twice
  because the acknowledgement is late, counts as both; what is moved after that has a line of its own
  (`kernel_flow_went_on`), and is cut after ten seconds of silence. When events of connections come faster than they are read,
  `kernel_events_lost` says so; all that there is is asked for then, and a record whose end was lost ends as
  `proxy_error`, `detail=events_lost`.
- **Other tables** of the packet filter come to bear, too: a chain that drops what is forwarded needs a rule that lets
  these connections through (`ct status dnat accept`).
- `tlsbridge check --config FILE --kernel-rules` prints the rules, as `nft -c -f -` takes them.
)";

}  // namespace

absl::string_view ReferenceIntroduction() { return kIntroduction; }
absl::string_view ReferenceExplanations() { return kExplanations; }

}  // namespace tlsbridge::yaml
