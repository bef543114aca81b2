// Debian's Chromium without a window, driven as a person would: it goes to a page, types and clicks
// there, and tells what it sees. By the DevTools protocol, over two pipes.
//
// Thread: the test's. Owner: the test; `dir`, which becomes its home, outlives it. Failure: fails
// the test; what was asked for is null then.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "nlohmann/json.hpp"
#include "tests/e2e/harness/deadline.h"
#include "tests/e2e/harness/process.h"
#include "tests/e2e/harness/temp_dir.h"
#include "tests/e2e/harness/unique_fd.h"

namespace tlsbridge::e2e {

class Browser {
 public:
  // Null, and the test has failed, if it does not start.
  static std::unique_ptr<Browser> Open(const TempDir& dir);
  ~Browser();
  Browser(const Browser&) = delete;
  Browser& operator=(const Browser&) = delete;

  // Returns once the page is loaded.
  void Goto(const std::string& url);
  // What an expression is, in the page; that of a promise once it is kept.
  nlohmann::json Evaluate(const std::string& expression);
  // Whether an expression comes to be true.
  bool Becomes(const std::string& condition, absl::Duration patience = kPatience);

  // With the mouse, in the middle of what a CSS selector finds.
  void Click(const std::string& selector);
  // With the keyboard, into what has the focus: text, and a key such as "Enter" or "Tab".
  void Type(const std::string& text);
  void Press(const std::string& key);

  void Resize(int width, int height);
  void Prefer(const std::string& scheme);  // "light" or "dark"
  // As PNG, of all that the window has.
  void Picture(const std::string& file);

  // What the console said, scripts threw, and a policy refused, since it was last asked.
  std::vector<std::string> TakeComplaints();

 private:
  Browser() = default;
  bool Start(const TempDir& dir);
  // The answer's result.
  nlohmann::json Call(const std::string& method, nlohmann::json parameters);
  // The next message; null at the end or when the time is over.
  nlohmann::json Read(const Deadline& deadline);
  void Hear(const nlohmann::json& event);

  std::unique_ptr<Process> process_;
  UniqueFd to_;
  UniqueFd from_;
  std::string unread_;
  int last_ = 0;
  std::string session_;  // of the page; empty: of the browser
  bool loaded_ = false;
  std::vector<std::string> complaints_;
};

}  // namespace tlsbridge::e2e
