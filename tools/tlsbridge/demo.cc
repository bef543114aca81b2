#include "tools/tlsbridge/demo.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "bridge/socket_address.h"
#include "router/router.h"
#include "tls/certificates/development_ca.h"
#include "tls/server_context.h"
#include "tools/tlsbridge/command_line.h"
#include "tools/tlsbridge/demo_backend.h"
#include "tools/tlsbridge/key_flags.h"
#include "tools/tlsbridge/process_flags.h"
#include "tools/tlsbridge/serve.h"

namespace tlsbridge {
namespace {

constexpr char kUsage[] =
    "Demonstrates tlsbridge: creates a development CA and a certificate for localhost in memory,\n"
    "starts a small HTTP backend, and fronts it with TLS.\n"
    "\n"
    "  tlsbridge demo\n";

constexpr char kListen[] = "127.0.0.1:8443";

std::vector<FlagGroup> FlagGroups() {
  std::vector<FlagGroup> groups = {{"Demo",
                                    {{"listen",
                                      "Address that clients connect to: HOST:PORT, [IPV6]:PORT, "
                                      "unix:/PATH or unix:@NAME. May be "
                                      "repeated.",
                                      kListen, Flag::Kind::kList}}}};
  for (FlagGroup& group : OperationFlagGroups()) groups.push_back(std::move(group));
  groups.push_back(ProcessFlagGroup());
  return groups;
}

// A folder that only this user can write to, so that nobody else can swap the CA.
class CaFile {
 public:
  static absl::StatusOr<std::unique_ptr<CaFile>> Write(const std::string& pem) {
    const char* base = getenv("TMPDIR");
    std::string folder = absl::StrCat(base == nullptr ? "/tmp" : base, "/tlsbridge-demo-XXXXXX");
    if (mkdtemp(folder.data()) == nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat("cannot create a folder for the CA: ", folder, ": ", strerror(errno)));
    }
    std::unique_ptr<CaFile> file(new CaFile(folder));
    if (!(std::ofstream(file->path()) << pem)) {
      return absl::InvalidArgumentError(absl::StrCat(file->path(), ": cannot be written"));
    }
    return file;
  }
  ~CaFile() {
    unlink(path().c_str());
    rmdir(folder_.c_str());
  }

  std::string path() const { return folder_ + "/ca.pem"; }

 private:
  explicit CaFile(std::string folder) : folder_(std::move(folder)) {}
  const std::string folder_;
};

// What curl needs to reach `address` with a certificate for localhost, 127.0.0.1 and ::1.
std::string CurlArguments(const SocketAddress& address) {
  if (address.is_unix()) {
    return absl::StrCat("--unix-socket ", address.unix_path(), " https://localhost/hello");
  }
  const std::string text = address.ToString();
  const std::string host = text.substr(0, text.rfind(':'));
  if (host == "[::1]" || host == "[::]") {
    return absl::StrCat("'https://[::1]:", address.port(), "/hello'");  // shells know brackets
  }
  std::string url = absl::StrCat("https://localhost:", address.port(), "/hello");
  if (host == "127.0.0.1" || host == "0.0.0.0") return url;
  return absl::StrCat("--connect-to '::", host, ":' ", url);
}

int Demo(const Command::Given& typed) {
  GivenFlags given = typed.flags;
  if (!given.Has("listen")) given.Add("listen", kListen);
  ApplyCoreDumpFlag(given);
  auto identity = tls::MakeDevelopmentIdentity(absl::Now());
  if (!identity.ok()) return RefuseToStart(identity.status());
  auto context = tls::ServerContext::Create(identity->localhost);
  if (!context.ok()) return RefuseToStart(context.status());

  // The backend's thread must not be the one that gets the signals.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &before);
  auto backend = DemoBackend::Start();
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (!backend.ok()) return RefuseToStart(backend.status());

  // The certificate is in memory, and no file of the route's.
  FlagConfig flags =
      ConfigOf(given, {{"routes[0].name", "demo"},
                       {"routes[0].backends[0].address", (*backend)->address().ToString()}});
  if (!flags.problems.empty()) {
    return RefuseToStart(absl::InvalidArgumentError(flags.problems.front()));
  }
  const Config config = std::move(flags.parsed.config);
  auto ca_file = CaFile::Write(identity->ca_pem);
  if (!ca_file.ok()) return RefuseToStart(ca_file.status());
  const std::shared_ptr<const tls::ServerContext> tls = *std::move(context);
  const auto source = [config, tls](const LiveConfig* previous, const Clock* clock) {
    return LiveConfig::Assemble(config, {{.server = tls}}, previous, clock->Monotonic());
  };
  GivenFlags process = given;
  process.Add("sandbox", "false");  // it removes its CA in the end
  return Serve(source, {}, config.log, process, [&ca_file](const Router& router) {
    const SocketAddress address = router.listeners().front();
    printf(
        "tlsbridge demo: a backend is running, and %s fronts it with TLS. Try, in another "
        "terminal:\n\n"
        "  curl --cacert %s %s\n\n"
        "Ctrl-C stops it.\n",
        address.ToString().c_str(), (*ca_file)->path().c_str(), CurlArguments(address).c_str());
    fflush(stdout);
  });
}

}  // namespace

Command DemoCommand() {
  return {"demo",       "try it out: a certificate, a backend and a listener of its own",
          "",           kUsage,
          FlagGroups(), &Demo};
}

}  // namespace tlsbridge
