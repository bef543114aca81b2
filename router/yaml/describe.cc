#include "router/yaml/describe.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "router/yaml/keys.h"
#include "router/yaml/parse_config.h"

namespace tlsbridge {
namespace {

using yaml::Json;
using yaml::Key;
using yaml::ObjectType;

constexpr char kIntroduction[] = R"(# The configuration file

Every key that `tlsbridge run --config FILE` takes. This page is made from the parser's own table of keys:
`tlsbridge check --reference` prints it, `tlsbridge check --json-schema` prints the same for editors.

- **Unknown keys, contradictions and values out of bounds are errors**, never ignored. `tlsbridge check --config FILE`
  tells all of them at once, with their positions.
- **Durations** are numbers with units, one or several: `500ms`, `30s`, `5m`, `1h30m`.
- **Files** are relative to the folder of the configuration file. In their names, and nowhere else, `${NAME}` is
  replaced by the variable of the environment, which must be set; `${NAME:-default}` has a default.
- **Addresses** are `HOST:PORT` with a numeric host, `[IPV6]:PORT` (`[fe80::1%eth0]:PORT` on a link), `unix:/PATH` or `unix:@NAME` (abstract).
- **Blocks** of addresses are written `10.0.0.0/8`, `2001:db8::/32` or as one address.
- Anchors, aliases and the merge key `<<` of YAML may be used; tags and several documents may not.
)";

constexpr char kKernel[] = R"(
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
- **Clients that the kernel does not take** reach the listener as ever: those of this machine itself, those whom `deny_ip`,
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
  (`kernel_flow_went_on`), and is cut after ten seconds of silence. When news of connections comes faster than it is read,
  `kernel_events_lost` says so; all that there is is asked for then, and a record whose end was lost ends as
  `proxy_error`, `detail=events_lost`.
- **Other tables** of the packet filter come to bear, too: a chain that drops what is forwarded needs a rule that lets
  these connections through (`ct status dnat accept`).
- `tlsbridge check --config FILE --kernel-rules` prints the rules, as `nft -c -f -` takes them.
)";

std::string PlainText(const Json& value) {
  if (value.is_null()) return "";
  return value.is_string() ? value.get<std::string>() : value.dump();
}

std::string DefaultText(const Key& key, const Json& value) {
  if (key.required) return "(required)";
  if (value.is_null()) return "";
  return absl::StrCat("`", PlainText(value), "`");
}

// Those of an enumeration; numbers are there for editors only.
std::vector<std::string> Words(const Json& schema) {
  std::vector<std::string> words;
  const Json& item = schema.contains("items") ? schema.at("items") : schema;
  for (const Json& word : item.value("enum", Json::array())) {
    if (word.is_string()) words.push_back(word.get<std::string>());
  }
  return words;
}

class Writer {
 public:
  // `defaults` is what a struct of these keys has when nothing is given.
  void Section(const std::string& path, const ObjectType& object, const Json& schema) {
    absl::StrAppend(&page_, "\n## ", path.empty() ? "The file" : absl::StrCat("`", path, "`"),
                    "\n\n| key | type | default | |\n| --- | --- | --- | --- |\n");
    std::vector<std::pair<const Key*, std::string>> nested;
    for (const Key& key : object.keys()) {
      const std::string key_path =
          absl::StrCat(path, path.empty() ? "" : ".", key.name, key.type->is_list() ? "[]" : "");
      const Json& properties = schema.at("properties").at(key.name);
      const bool has_keys = key.type->object() != nullptr;
      facts_.push_back({absl::StrCat(path, path.empty() ? "" : ".", key.name), key.doc,
                        has_keys ? "" : key.type->Describe(),
                        PlainText(properties.value("default", Json())), key.type->is_list(),
                        properties.value("type", "") == "boolean", has_keys,
                        absl::StartsWith(key.type->Describe(), "file: "), Words(properties)});
      const std::string type = !has_keys             ? key.type->Describe()
                               : key.type->is_list() ? "list, see below"
                                                     : "see below";
      absl::StrAppend(&page_, "| `", key.name, "` | ", type, " | ",
                      DefaultText(key, properties.value("default", Json())), " | ",
                      absl::StrReplaceAll(key.doc, {{"|", "\\|"}}), " |\n");
      if (has_keys) nested.emplace_back(&key, key_path);
    }
    for (const auto& [key, key_path] : nested) {
      const Json& properties = schema.at("properties").at(key->name);
      Section(key_path, *key->type->object(),
              key->type->is_list() ? properties.at("items") : properties);
    }
  }

  std::string TakePage() { return std::move(page_); }
  std::vector<KeyFacts> TakeFacts() { return std::move(facts_); }

 private:
  std::string page_ = kIntroduction;
  std::vector<KeyFacts> facts_;
};

Writer Described() {
  Writer writer;
  writer.Section("", yaml::ConfigKeys(), yaml::ConfigKeys().Schema());
  return writer;
}

}  // namespace

std::string ConfigJsonSchema() {
  Json schema = {{"$schema", "http://json-schema.org/draft-07/schema#"},
                 {"title", "tlsbridge configuration"}};
  schema.update(yaml::ConfigKeys().Schema());
  return schema.dump(2) + "\n";
}

std::string ConfigReference() { return absl::StrCat(Described().TakePage(), kKernel); }

const std::vector<KeyFacts>& ConfigKeyFacts() {
  static const auto* const facts = new std::vector<KeyFacts>(Described().TakeFacts());
  return *facts;
}

std::vector<std::string> ConfigKeyPaths() {
  std::vector<std::string> paths;
  for (const KeyFacts& key : ConfigKeyFacts()) paths.push_back(key.path);
  return paths;
}

}  // namespace tlsbridge
