// The fixture of the end-to-end tests: a folder, certificates, and at most one running tlsbridge,
// which must end without an error and with nothing left alive.

#pragma once

#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/e2e/harness/certificates.h"
#include "tests/e2e/harness/temp_dir.h"
#include "tests/e2e/harness/tlsbridge_process.h"

namespace tlsbridge::e2e {

class TlsbridgeTest : public testing::Test {
 protected:
  // Fails the test fatally when the program does not become ready: wrap it in
  // ASSERT_NO_FATAL_FAILURE.
  void StartTlsbridge(const TlsbridgeOptions& options);

  // Sidecar mode before one backend, with a certificate for localhost. `arguments` come last.
  void StartSidecar(const std::string& backend, const std::vector<std::string>& arguments = {});
  // The same with a certificate of the test's own.
  void StartSidecarWith(const CertificateFiles& files, const std::string& backend,
                        const std::vector<std::string>& arguments = {});

  // "tlsbridge run" with that configuration, whose log becomes JSON. Files of dir() go by their
  // names; localhost.crt and localhost.key are there. Files are read again when the test says so,
  // by default.
  void StartRun(const std::string& yaml,
                const std::vector<std::string>& arguments = {"--no-watch-files"});
  // Replaces the configuration of StartRun(), and no more.
  std::string WriteConfig(const std::string& yaml);
  // Replaces the configuration of StartRun() and makes the program read it: see
  // Tlsbridge::Reload().
  nlohmann::json ReloadWith(const std::string& yaml);

  // REQUIRES: it was started.
  Tlsbridge& tlsbridge() { return *tlsbridge_; }

  const TempDir& dir() const { return dir_; }
  // Made when first asked for.
  const Certificates& certificates();

  // Stops the program unless the test did, and checks that it leaked nothing.
  void TearDown() override;

  // For tests that kill the program: forgets it, so that TearDown() checks nothing.
  void ForgetTlsbridge() { tlsbridge_.reset(); }

  // What the program writes must be in router/log/README.md. Not what stands in for it.
  void ExpectOtherLog() { other_log_ = true; }

 private:
  bool other_log_ = false;
  TempDir dir_;
  std::unique_ptr<Certificates> certificates_;
  std::unique_ptr<Tlsbridge> tlsbridge_;
};

}  // namespace tlsbridge::e2e
