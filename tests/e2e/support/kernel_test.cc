#include "tests/e2e/support/kernel_test.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/router/kernel/support/net_namespace.h"

namespace tlsbridge::e2e {

void KernelTest::SetUp() {
  testing::NeedNamespaces();
  if (IsSkipped() || HasFatalFailure()) return;
  net_ = std::make_unique<testing::Topology>();
}

void KernelTest::TearDown() {
  if (net_ != nullptr) net_->router.Enter();
  TlsbridgeTest::TearDown();
  for (auto& server : servers_) server.reset();
  testing::NetNamespace::Leave();
}

KernelTest::Server& KernelTest::Serve(int last) {
  net_->backend.Enter();
  servers_[last] = std::make_unique<Server>();
  Server* const server = servers_[last].get();
  server->listener = std::make_unique<TcpBackend>(
      [last, server](Socket& connection) {
        while (true) {
          const auto line = connection.ReadUntil("\n");
          if (!line.ok()) {
            if (connection.last_errno() == 0) connection.ShutdownWrite();
            return;
          }
          if (*line == "leave\n" || (*line == "check\n" && server->sick)) return;
          const std::string answer = *line == "who\n" ? absl::StrCat(last, "\n") : *line;
          if (!connection.Write(answer).ok() || *line == "bye\n") return;
        }
      },
      absl::StrCat("10.7.2.", last, ":9001"));
  net_->router.Enter();
  return *server;
}

void KernelTest::Stop(int last) { servers_[last].reset(); }

std::string KernelTest::Config(const std::vector<int>& backends,
                               const std::vector<std::string>& route,
                               const std::vector<std::string>& top) {
  std::string yaml = absl::StrCat("listeners: [{address: '", kListener,
                                  "'}]\nroutes:\n"
                                  "- name: mail\n"
                                  "  forwarding_engine: nftables\n"
                                  "  tls: {mode: passthrough}\n");
  for (const std::string& line : route) absl::StrAppend(&yaml, "  ", line, "\n");
  absl::StrAppend(&yaml, "  backends:\n");
  for (const int last : backends) {
    absl::StrAppend(&yaml, "  - {address: '10.7.2.", last, ":9001'}\n");
  }
  for (const std::string& line : top) absl::StrAppend(&yaml, line, "\n");
  return yaml;
}

TlsbridgeOptions KernelTest::OptionsFor(const std::string& yaml) {
  return {.subcommand = "run",
          .listen = {},
          .arguments = {"--config", WriteConfig(yaml), "--no-watch-files"}};
}

void KernelTest::Start(const std::string& yaml) {
  net_->router.Enter();
  StartTlsbridge(OptionsFor(yaml));
}

absl::StatusOr<Socket> KernelTest::Dial(const std::string& from, const std::string& to) {
  net_->client.Enter();
  auto socket = Socket::Connect(to, from);
  net_->router.Enter();
  return socket;
}

bool KernelTest::Talk::Talks() {
  if (!socket->Write("line\n").ok()) return false;
  const auto answer = socket->ReadUntil("\n");
  return answer.ok() && *answer == "line\n";
}

KernelTest::Talk KernelTest::Open(const std::string& from, const std::string& to) {
  Talk talk;
  auto socket = Dial(from, to);
  if (!socket.ok()) return talk;
  talk.socket = std::make_unique<Socket>(*std::move(socket));
  if (!talk.socket->Write("who\n").ok()) return talk;
  const auto answer = talk.socket->ReadUntil("\n");
  if (answer.ok()) talk.backend = answer->substr(0, answer->size() - 1);
  return talk;
}

std::vector<std::string> KernelTest::ServedBy(int connections) {
  std::vector<std::string> backends;
  backends.reserve(static_cast<size_t>(connections));
  for (int i = 0; i < connections; ++i) backends.push_back(Open().backend);
  return backends;
}

// RFC 8446 section 4.1.2, with one cipher and supported_versions alone.
std::string KernelTest::ClientHello() {
  const std::string extensions("\0\x2b\0\x03\x02\x03\x04", 7);
  std::string body("\x03\x03", 2);
  body.append(32, 'r');
  body.append("\0\0\x02\x13\x01\x01\0\0", 8);
  body.push_back(static_cast<char>(extensions.size()));
  body += extensions;
  std::string message("\x01\0\0", 3);
  message.push_back(static_cast<char>(body.size()));
  message += body;
  std::string record("\x16\x03\x01\0", 4);
  record.push_back(static_cast<char>(message.size()));
  return record + message;
}

nlohmann::json KernelTest::EndFor(const std::string& reason) {
  const auto end = tlsbridge().WaitForEvent(
      "connection_end", [&](const nlohmann::json& event) { return event["reason"] == reason; });
  return end ? *end : nlohmann::json::object();
}

testing::CommandResult KernelTest::OnRouter(const std::string& command) {
  net_->router.Enter();
  return testing::RunCommand(command);
}

}  // namespace tlsbridge::e2e
