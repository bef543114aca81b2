// The openssl program as a TLS client, as a TLS server, and as a maker of files.
//
// Threads: one owns each. Lifetime: an SServer's destructor ends it. Failure: Start() says why; a
// command tells by its exit code.

#pragma once

#include <future>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tests/e2e/harness/certificates.h"
#include "tests/e2e/harness/process.h"

namespace tlsbridge::e2e {

struct OpensslResult {
  int exit_code = -1;
  std::string output;  // and what it wrote to stderr
};

OpensslResult Openssl(std::vector<std::string> arguments);

// `openssl s_client` with an empty standard input, so that it leaves as soon as it has shaken
// hands. With SNI "localhost" unless the arguments have another.
OpensslResult SClient(const std::string& address, const std::string& authority,
                      const std::vector<std::string>& arguments);

// `openssl s_server -rev`: answers each line with the same, reversed.
class SServer {
 public:
  static absl::StatusOr<std::unique_ptr<SServer>> Start(
      const CertificateFiles& files, const std::vector<std::string>& arguments = {});

  const std::string& address() const { return address_; }
  Process& process() { return *process_; }
  std::string Output() const { return process_->StderrText(); }

 private:
  SServer() = default;

  std::promise<std::string> listening_;
  bool is_listening_ = false;  // Used by the process's reading thread only.
  std::string address_;
  std::unique_ptr<Process> process_;  // Last: its thread uses the others.
};

}  // namespace tlsbridge::e2e
