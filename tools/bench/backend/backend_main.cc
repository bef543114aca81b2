// The plaintext backend behind the proxy that is measured.

#include <cstdio>
#include <string>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "tools/bench/backend/acceptor.h"
#include "tools/bench/backend/backend_connection.h"
#include "tools/bench/net/address.h"

ABSL_FLAG(std::string, listen, "127.0.0.1:0", "address; port 0 takes a free one");

int main(int argc, char** argv) {
  using tlsbridge::bench::Acceptor;
  using tlsbridge::bench::Address;
  using tlsbridge::bench::BackendConnection;
  using tlsbridge::bench::Poller;
  using tlsbridge::bench::Socket;
  absl::SetProgramUsageMessage(
      "plaintext backend of the benchmark; prints the address it listens on");
  absl::ParseCommandLine(argc, argv);

  const auto address = Address::Parse(absl::GetFlag(FLAGS_listen));
  auto listener =
      address.ok() ? Socket::Listen(*address) : absl::StatusOr<Socket>(address.status());
  if (!listener.ok()) {
    std::fprintf(stderr, "backend: %s\n", listener.status().ToString().c_str());
    return 2;
  }
  std::printf("listening %s\n", Address::OfSocket(listener->fd()).ToString().c_str());
  std::fflush(stdout);

  Poller poller;
  Acceptor acceptor(poller, *std::move(listener), [&poller](Socket socket) {
    BackendConnection::Start(poller, std::move(socket));
  });
  while (true) poller.Turn(absl::Hours(1));
}
