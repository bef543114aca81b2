#include "tests/e2e/support/browser.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <fstream>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/e2e/support/chromium.h"

namespace tlsbridge::e2e {
namespace {

using Json = nlohmann::json;

// Of ours above those that Chromium wants them as.
constexpr int kFirst = 10;
constexpr int kItReads = 3;
constexpr int kItWrites = 4;

struct Pipe {
  UniqueFd read_end;
  UniqueFd write_end;
};

Pipe MakePipe() {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) != 0) return {};
  const UniqueFd low_read(fds[0]), low_write(fds[1]);
  return {UniqueFd(fcntl(fds[0], F_DUPFD_CLOEXEC, kFirst)),
          UniqueFd(fcntl(fds[1], F_DUPFD_CLOEXEC, kFirst))};
}

// As a string of JavaScript.
std::string Quoted(const std::string& text) { return Json(text).dump(); }

}  // namespace

std::unique_ptr<Browser> Browser::Open(const TempDir& dir) {
  std::unique_ptr<Browser> browser(new Browser());
  if (!browser->Start(dir)) return nullptr;
  return browser;
}

bool Browser::Start(const TempDir& dir) {
  Pipe in = MakePipe();
  Pipe out = MakePipe();
  std::vector<std::string> argv = ChromiumCommand(dir);
  argv.insert(argv.end(), {"--remote-debugging-pipe", "about:blank"});
  auto process = Process::Start(
      {.argv = argv,
       .descriptors = {{kItReads, in.read_end.get()}, {kItWrites, out.write_end.get()}}});
  EXPECT_TRUE(process.ok()) << process.status();
  if (!process.ok()) return false;
  process_ = *std::move(process);
  to_ = std::move(in.write_end);
  from_ = std::move(out.read_end);
  fcntl(from_.get(), F_SETFL, O_NONBLOCK);

  const Json target = Call("Target.createTarget", {{"url", "about:blank"}});
  const Json attached = Call("Target.attachToTarget",
                             {{"targetId", target.value("targetId", "")}, {"flatten", true}});
  session_ = attached.value("sessionId", "");
  for (const char* const domain : {"Page", "Runtime", "Log"}) {
    Call(absl::StrCat(domain, ".enable"), Json::object());
  }
  return !session_.empty();
}

Browser::~Browser() {
  if (process_ == nullptr) return;
  session_.clear();
  Call("Browser.close", Json::object());
  process_->WaitForExit();
}

Json Browser::Call(const std::string& method, Json parameters) {
  Json message = {{"id", ++last_}, {"method", method}, {"params", std::move(parameters)}};
  if (!session_.empty()) message["sessionId"] = session_;
  const std::string text = message.dump();
  // A message ends with NUL, which is a part of the string's memory.
  const size_t size = text.size() + 1;
  for (size_t sent = 0; sent < size;) {
    const ssize_t n = write(to_.get(), text.c_str() + sent, size - sent);
    if (n <= 0) {
      ADD_FAILURE() << method << ": the browser has gone";
      return nullptr;
    }
    sent += static_cast<size_t>(n);
  }
  const Deadline deadline(kPatience);
  while (true) {
    Json answer = Read(deadline);
    if (answer.is_null()) {
      ADD_FAILURE() << method << ": no answer\n" << process_->StderrText();
      return nullptr;
    }
    if (!answer.contains("id")) {
      Hear(answer);
    } else if (answer["id"] == last_) {
      if (answer.contains("error")) ADD_FAILURE() << method << ": " << answer["error"].dump();
      return answer.value("result", Json::object());
    }
  }
}

Json Browser::Read(const Deadline& deadline) {
  char buffer[64 * 1024];
  while (true) {
    if (const size_t end = unread_.find('\0'); end != std::string::npos) {
      Json message = Json::parse(unread_.substr(0, end), nullptr, /*allow_exceptions=*/false);
      unread_.erase(0, end + 1);
      return message;
    }
    pollfd waiting = {.fd = from_.get(), .events = POLLIN, .revents = 0};
    if (poll(&waiting, 1, deadline.PollTimeoutMilliseconds()) <= 0) return nullptr;
    const ssize_t n = read(from_.get(), buffer, sizeof(buffer));
    if (n <= 0) return nullptr;
    unread_.append(buffer, static_cast<size_t>(n));
  }
}

void Browser::Hear(const Json& event) {
  const std::string method = event.value("method", "");
  if (method == "Page.loadEventFired") loaded_ = true;
  if (method == "Runtime.consoleAPICalled" || method == "Runtime.exceptionThrown" ||
      method == "Log.entryAdded") {
    complaints_.push_back(event["params"].dump());
  }
}

std::vector<std::string> Browser::TakeComplaints() { return std::exchange(complaints_, {}); }

void Browser::Goto(const std::string& url) {
  loaded_ = false;
  Call("Page.navigate", {{"url", url}});
  const Deadline deadline(kPatience);
  while (!loaded_) {
    const Json event = Read(deadline);
    if (event.is_null()) {
      ADD_FAILURE() << url << " does not load";
      return;
    }
    Hear(event);
  }
}

Json Browser::Evaluate(const std::string& expression) {
  const Json answer =
      Call("Runtime.evaluate",
           {{"expression", expression}, {"awaitPromise", true}, {"returnByValue", true}});
  if (answer.contains("exceptionDetails")) {
    ADD_FAILURE() << expression << ": " << answer["exceptionDetails"].dump();
    return nullptr;
  }
  return answer.is_object() ? answer.value("result", Json::object()).value("value", Json())
                            : Json();
}

bool Browser::Becomes(const std::string& condition, absl::Duration patience) {
  // The page waits, not the test: it hears of it at once.
  const Json kept = Evaluate(absl::StrCat(
      "new Promise(tell => { const until = performance.now() + ",
      absl::ToInt64Milliseconds(patience), "; const look = () => { if (", condition,
      ") tell(true); else if (performance.now() > until) tell(false); else setTimeout(look, 20); };"
      " look(); })"));
  return kept == Json(true);
}

void Browser::Click(const std::string& selector) {
  const Json at =
      Evaluate(absl::StrCat("(() => { const found = document.querySelector(", Quoted(selector),
                            "); if (!found) return null; found.scrollIntoView({block: 'center'});"
                            " const box = found.getBoundingClientRect();"
                            " return {x: box.x + box.width / 2, y: box.y + box.height / 2}; })()"));
  if (!at.is_object()) {
    ADD_FAILURE() << "the page has no " << selector;
    return;
  }
  for (const char* const type : {"mousePressed", "mouseReleased"}) {
    Call("Input.dispatchMouseEvent",
         {{"type", type}, {"x", at["x"]}, {"y", at["y"]}, {"button", "left"}, {"clickCount", 1}});
  }
}

void Browser::Type(const std::string& text) { Call("Input.insertText", {{"text", text}}); }

void Browser::Press(const std::string& key) {
  const int code = key == "Enter" ? 13 : 9;
  const std::string text = key == "Enter" ? "\r" : "";
  for (const char* const type : {"keyDown", "keyUp"}) {
    Call("Input.dispatchKeyEvent", {{"type", type},
                                    {"key", key},
                                    {"code", key},
                                    {"text", std::string(type) == "keyDown" ? text : ""},
                                    {"windowsVirtualKeyCode", code}});
  }
}

void Browser::Resize(int width, int height) {
  Call("Emulation.setDeviceMetricsOverride",
       {{"width", width}, {"height", height}, {"deviceScaleFactor", 1}, {"mobile", false}});
}

void Browser::Prefer(const std::string& scheme) {
  Call("Emulation.setEmulatedMedia",
       {{"features", Json::array({{{"name", "prefers-color-scheme"}, {"value", scheme}}})}});
}

void Browser::Picture(const std::string& file) {
  const Json answer = Call("Page.captureScreenshot", {{"format", "png"}});
  std::string png;
  if (!answer.is_object() || !absl::Base64Unescape(answer.value("data", ""), &png)) {
    ADD_FAILURE() << "no picture";
  }
  std::ofstream(file, std::ios::binary) << png;
}

}  // namespace tlsbridge::e2e
