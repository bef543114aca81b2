#include "tests/support/log_capture.h"

#include "absl/strings/str_split.h"
#include "gtest/gtest.h"
#include "router/log/log.h"

namespace tlsbridge::testing {

void LogCapture::Start() {
  ::testing::internal::CaptureStderr();
  EXPECT_TRUE(StartLog(LogLevel::kDebug, LogFormat::kJson).ok());
}

void LogCapture::Collect() {
  StopLog();
  const std::string text = ::testing::internal::GetCapturedStderr();
  for (const std::string& line : std::vector<std::string>(absl::StrSplit(text, '\n'))) {
    if (line.empty()) continue;
    auto event = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    EXPECT_FALSE(event.is_discarded()) << line;
    events_.push_back(std::move(event));
  }
}

std::vector<nlohmann::json> LogCapture::Events(const std::string& name) {
  Collect();
  Start();
  std::vector<nlohmann::json> chosen;
  for (const auto& event : events_) {
    if (event.value("event", "") == name) chosen.push_back(event);
  }
  return chosen;
}

}  // namespace tlsbridge::testing
