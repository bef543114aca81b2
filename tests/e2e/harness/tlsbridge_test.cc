#include "tests/e2e/harness/tlsbridge_test.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "tests/e2e/harness/log_list.h"

namespace tlsbridge::e2e {

void TlsbridgeTest::StartTlsbridge(const TlsbridgeOptions& options) {
  auto started = Tlsbridge::Start(options);
  ASSERT_TRUE(started.ok()) << started.status();
  tlsbridge_ = *std::move(started);
}

void TlsbridgeTest::StartSidecar(const std::string& backend,
                                 const std::vector<std::string>& arguments) {
  StartSidecarWith(certificates().Issue(), backend, arguments);
}

void TlsbridgeTest::StartSidecarWith(const CertificateFiles& files, const std::string& backend,
                                     const std::vector<std::string>& arguments) {
  TlsbridgeOptions options;
  options.arguments = {"--backend", backend, "--cert", files.certificate, "--key", files.key};
  options.arguments.insert(options.arguments.end(), arguments.begin(), arguments.end());
  StartTlsbridge(options);
}

std::string TlsbridgeTest::WriteConfig(const std::string& yaml) {
  return dir_.WriteFile("tlsbridge.yaml", yaml + "\nlog: {format: json}\n");
}

void TlsbridgeTest::StartRun(const std::string& yaml, const std::vector<std::string>& arguments) {
  certificates().Issue();
  TlsbridgeOptions options = {.subcommand = "run", .listen = {}};
  options.arguments = {"--config", WriteConfig(yaml)};
  options.arguments.insert(options.arguments.end(), arguments.begin(), arguments.end());
  StartTlsbridge(options);
}

nlohmann::json TlsbridgeTest::ReloadWith(const std::string& yaml) {
  WriteConfig(yaml);
  return tlsbridge().Reload();
}

const Certificates& TlsbridgeTest::certificates() {
  if (certificates_ == nullptr) certificates_ = std::make_unique<Certificates>(dir_);
  return *certificates_;
}

void TlsbridgeTest::TearDown() {
  if (tlsbridge_ == nullptr) return;
  EXPECT_EQ(tlsbridge_->Stop(), 0);
  const nlohmann::json live = tlsbridge_->summary().is_object()
                                  ? tlsbridge_->summary().value("live", nlohmann::json::object())
                                  : nlohmann::json::object();
  for (const char* what : {"records", "sockets", "timers"}) {
    EXPECT_EQ(live.value(what, -1), 0) << what << " left alive";
  }
  const std::string log = tlsbridge_->Output();
  for (const absl::string_view line : absl::StrSplit(log, '\n', absl::SkipEmpty())) {
    if (other_log_ || !absl::StartsWith(line, "{")) continue;  // in text, or of a wrapper
    EXPECT_EQ(FaultOfLogLine(line), "") << "router/log/README.md is not what the log says";
  }
  if (HasFailure()) GTEST_LOG_(INFO) << "tlsbridge wrote:\n" << tlsbridge_->Output();
}

}  // namespace tlsbridge::e2e
