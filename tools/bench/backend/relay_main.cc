// A TCP relay without TLS: the floor under the figures of every TLS proxy.

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "tools/bench/backend/acceptor.h"
#include "tools/bench/backend/relay_connection.h"
#include "tools/bench/net/address.h"

ABSL_FLAG(std::string, listen, "127.0.0.1:0", "address; port 0 takes a free one");
ABSL_FLAG(std::string, backend, "", "address of the backend");

namespace tlsbridge::bench {
namespace {

absl::Status Run() {
  const auto listen = Address::Parse(absl::GetFlag(FLAGS_listen));
  if (!listen.ok()) return listen.status();
  const auto backend = Address::Parse(absl::GetFlag(FLAGS_backend));
  if (!backend.ok()) return backend.status();
  auto listener = Socket::Listen(*listen);
  if (!listener.ok()) return listener.status();
  std::printf("listening %s\n", Address::OfSocket(listener->fd()).ToString().c_str());
  std::fflush(stdout);

  Poller poller;
  std::vector<std::unique_ptr<RelayConnection>> ended;
  Acceptor acceptor(poller, *std::move(listener), [&poller, &backend, &ended](Socket client) {
    auto outgoing = Socket::Dial(*backend);
    if (!outgoing.ok()) return;  // Closes the client's socket, which it sees as an end.
    new RelayConnection(poller, std::move(client), *std::move(outgoing),
                        [&ended](RelayConnection* connection) { ended.emplace_back(connection); });
  });
  while (true) {
    poller.Turn(absl::Hours(1));
    ended.clear();
  }
}

}  // namespace
}  // namespace tlsbridge::bench

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("TCP relay without TLS; prints the address it listens on");
  absl::ParseCommandLine(argc, argv);
  std::fprintf(stderr, "relay: %s\n", tlsbridge::bench::Run().ToString().c_str());
  return 2;
}
