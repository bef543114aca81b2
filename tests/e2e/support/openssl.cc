#include "tests/e2e/support/openssl.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"

namespace tlsbridge::e2e {

OpensslResult Openssl(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "openssl");
  auto process = Process::Start({.argv = std::move(arguments)});
  if (!process.ok()) return {-1, process.status().ToString()};
  const int exit_code = (*process)->WaitForExit().value_or(-1);
  return {exit_code, (*process)->StdoutText() + (*process)->StderrText()};
}

OpensslResult SClient(const std::string& address, const std::string& authority,
                      const std::vector<std::string>& arguments) {
  std::vector<std::string> argv = {"s_client", "-connect", address,
                                   "-CAfile",  authority,  "-verify_return_error"};
  const bool has_name = std::any_of(arguments.begin(), arguments.end(), [](const auto& argument) {
    return argument == "-servername" || argument == "-noservername";
  });
  if (!has_name) argv.insert(argv.end(), {"-servername", "localhost"});
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  return Openssl(std::move(argv));
}

absl::StatusOr<std::unique_ptr<SServer>> SServer::Start(const CertificateFiles& files,
                                                        const std::vector<std::string>& arguments) {
  std::unique_ptr<SServer> server(new SServer);
  std::future<std::string> address = server->listening_.get_future();
  // All on stderr, which is read line by line.
  std::vector<std::string> argv = {"sh",       "-c",      "exec openssl s_server \"$@\" 1>&2",
                                   "s_server", "-accept", "127.0.0.1:0",
                                   "-rev",     "-cert",   files.certificate,
                                   "-key",     files.key};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  auto process = Process::Start({
      .argv = std::move(argv),
      .on_stderr_line =
          [raw = server.get()](absl::string_view line) {
            if (!absl::ConsumePrefix(&line, "ACCEPT ") || raw->is_listening_) return;
            raw->is_listening_ = true;
            raw->listening_.set_value(std::string(line));
          },
  });
  if (!process.ok()) return process.status();
  server->process_ = *std::move(process);
  if (address.wait_for(absl::ToChronoSeconds(kPatience)) != std::future_status::ready) {
    return absl::DeadlineExceededError(absl::StrCat("s_server wrote: ", server->Output()));
  }
  server->address_ = address.get();
  return server;
}

}  // namespace tlsbridge::e2e
