// The rules of RouteTable as plainly as they can be written, and random routes and queries to
// compare with. All names, blocks, ports and protocols come from small sets, so that routes
// overlap.
#pragma once

#include <stdint.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "router/routes/route_table.h"

namespace tlsbridge {

// What a test asks; owns what RouteTable::Query views.
struct Hello {
  uint16_t port = 443;
  std::string client = "192.0.2.1";  // empty for a UNIX peer
  std::string name;
  std::vector<std::string> alpn;
  std::optional<TlsVersion> version = TlsVersion::kTls13;
  mutable std::string alpn_wire;

  RouteTable::Query query() const {
    RouteTable::Query query;
    query.port = port;
    if (!client.empty()) query.client = Cidr::Parse(client)->prefix();
    query.server_name = name;
    alpn_wire.clear();
    for (const std::string& name : alpn) {
      alpn_wire.push_back(static_cast<char>(name.size()));
      alpn_wire += name;
    }
    query.alpn = tls::AlpnNames(alpn_wire);
    query.best_version = version;
    return query;
  }
};

// Each list by hand; -1 does not match, else how specific the match is.
class Reference {
 public:
  static std::optional<size_t> Find(const std::vector<Route>& routes,
                                    const RouteTable::Query& query) {
    std::optional<size_t> best;
    std::tuple<int, int, int, bool, bool, bool, int> best_rank;
    for (size_t i = 0; i < routes.size(); ++i) {
      const Match& m = routes[i].match;
      const int domain = Domain(m, query);
      const int block = Block(m, query);
      if (domain < 0 || block < 0 || !Ports(m, query) || !Alpn(m, query) || !Versions(m, query)) {
        continue;
      }
      const std::tuple rank(routes[i].priority, domain, block, !m.ports.empty(), !m.alpn.empty(),
                            !m.tls_versions.empty(), -CountPorts(m));
      if (!best.has_value() || rank > best_rank) {
        best = i;
        best_rank = rank;
      }
    }
    return best;
  }

 private:
  static int Domain(const Match& m, const RouteTable::Query& query) {
    int best = m.domains.empty() ? 0 : -1;
    const std::string name(query.server_name);
    for (const std::string& member : m.domains) {
      const size_t dot = name.find('.');
      if (member == "*") best = std::max(best, 0);
      if (dot != std::string::npos && dot > 0 && member == "*" + name.substr(dot)) {
        best = std::max(best, 1);
      }
      if (!name.empty() && member == name) best = 2;
    }
    return best;
  }

  static int Block(const Match& m, const RouteTable::Query& query) {
    int best = m.client_ip.empty() ? 0 : -1;
    for (const Cidr& cidr : m.client_ip) {
      if (query.client.has_value() && cidr.Contains(*query.client)) {
        best = std::max(best, cidr.length() + 1);
      }
    }
    return best;
  }

  static bool Ports(const Match& m, const RouteTable::Query& query) {
    return m.ports.empty() ||
           (query.port != 0 &&
            std::any_of(m.ports.begin(), m.ports.end(), [&query](const PortRange& range) {
              return range.first <= query.port && query.port <= range.last;
            }));
  }

  static bool Alpn(const Match& m, const RouteTable::Query& query) {
    return m.alpn.empty() || std::find_first_of(m.alpn.begin(), m.alpn.end(), query.alpn.begin(),
                                                query.alpn.end()) != m.alpn.end();
  }

  static bool Versions(const Match& m, const RouteTable::Query& query) {
    return m.tls_versions.empty() ||
           (query.best_version.has_value() &&
            std::count(m.tls_versions.begin(), m.tls_versions.end(), *query.best_version) > 0);
  }

  // Between two neighbouring ends of ranges, all ports are in some range or none is.
  static int CountPorts(const Match& m) {
    std::set<int> ends;
    for (const PortRange& range : m.ports) {
      ends.insert(range.first);
      ends.insert(range.last + 1);
    }
    int count = 0;
    for (auto it = ends.begin(); it != ends.end() && std::next(it) != ends.end(); ++it) {
      const int port = *it;
      if (std::any_of(m.ports.begin(), m.ports.end(), [port](const PortRange& range) {
            return range.first <= port && port <= range.last;
          })) {
        count += *std::next(it) - port;
      }
    }
    return count;
  }
};

class RandomRoutes {
 public:
  explicit RandomRoutes(uint32_t seed) : random_(seed) {}

  std::vector<Route> Routes(size_t most) {
    std::vector<Route> routes(1 + Below(most));
    for (Route& route : routes) {
      route.priority = OneIn(3) ? static_cast<int>(Below(3)) - 1 : 0;
      Match& m = route.match;
      Fill(&m.domains, [this] { return Domain(); });
      Fill(&m.client_ip, [this] { return *Cidr::Parse(Block()); });
      Fill(&m.ports, [this] { return Ports(); });
      Fill(&m.alpn, [this] { return Protocol(); });
      Fill(&m.tls_versions, [this] { return Version(); });
    }
    return routes;
  }

  Hello Query() {
    static const std::vector<std::string> clients = {"",
                                                     "10.0.0.0",
                                                     "10.0.0.1",
                                                     "10.1.2.3",
                                                     "10.255.255.255",
                                                     "11.0.0.0",
                                                     "192.0.2.1",
                                                     "255.255.255.255",
                                                     "0.0.0.0",
                                                     "2001:db8::1",
                                                     "2001:db8:8000::1",
                                                     "::1",
                                                     "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                                                     "::",
                                                     "::fffe:ffff:ffff",
                                                     "::1:0:0:0"};
    static const std::vector<std::string> names = {"",      "a",     "b",  "a.b",   "c.b",  "x.b",
                                                   "a.c.b", "x.c.b", ".b", "x.a.b", "z.zz", "b."};
    Hello hello;
    hello.port = Pick(std::vector<uint16_t>{0, 1, 80, 443, 444, 8000, 8443, 9000, 65535});
    hello.client = Pick(clients);
    hello.name = Pick(names);
    Fill(&hello.alpn, [this] { return Protocol(); });
    if (OneIn(5)) {
      hello.version.reset();
    } else {
      hello.version = Version();
    }
    return hello;
  }

 private:
  uint32_t Below(size_t n) {
    return std::uniform_int_distribution<uint32_t>(0, static_cast<uint32_t>(n - 1))(random_);
  }
  bool OneIn(uint32_t n) { return Below(n) == 0; }

  template <typename T>
  const T& Pick(const std::vector<T>& all) {
    return all[Below(all.size())];
  }

  template <typename List, typename Make>
  void Fill(List* list, Make make) {
    if (!OneIn(2)) return;
    const size_t size = 1 + Below(3);
    for (size_t i = 0; i < size; ++i) list->push_back(make());
  }

  std::string Domain() {
    return Pick(
        std::vector<std::string>{"a", "b", "a.b", "c.b", "a.c.b", "*.b", "*.c.b", "*", "z.zz"});
  }
  std::string Block() {
    return Pick(std::vector<std::string>{
        "10.0.0.0/8", "10.0.0.0/9", "10.128.0.0/9", "10.0.0.0/31", "10.0.0.1", "10.255.255.255",
        "0.0.0.0/0", "255.0.0.0/8", "255.255.255.255", "::/0", "::/1", "8000::/1", "2001:db8::/32",
        "2001:db8::/33", "2001:db8:8000::/33", "2001:db8::1", "ffff::/16", "::", "192.0.2.0/24"});
  }
  PortRange Ports() {
    return Pick(std::vector<PortRange>{{443, 443},
                                       {443, 444},
                                       {1, 65535},
                                       {8000, 9000},
                                       {8443, 8443},
                                       {1, 1},
                                       {65535, 65535},
                                       {80, 443},
                                       {445, 8999}});
  }
  std::string Protocol() { return Pick(std::vector<std::string>{"h2", "http/1.1", "H2", "acme"}); }
  TlsVersion Version() { return OneIn(2) ? TlsVersion::kTls12 : TlsVersion::kTls13; }

  std::mt19937 random_;
};

}  // namespace tlsbridge
