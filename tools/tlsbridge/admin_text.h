// What the documents of the admin server say, as text for a terminal. No sockets, no clock.
//
// Thread: any. Failure: none; a member that is missing is left out or shown as "-".
#pragma once

#include <stdint.h>

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

namespace tlsbridge {

using AdminJson = nlohmann::ordered_json;

// /status as a page; its first line is the verdict.
std::string StatusText(const AdminJson& status);

// The same as a screen of `rows` lines of `columns`, with rates since `before`, which may be null.
std::string TopText(const AdminJson& status, const AdminJson& before, int rows, int columns);

// /connections as a table.
std::string ConnectionsText(const AdminJson& connections);

// One of /failures, as the log has it.
std::string FailureText(const AdminJson& failure);

// The life of a connection that is open (of /connections), or that has ended (of /failures or
// /ended).
std::string LifeText(const AdminJson& connection);
std::string EndedLifeText(const AdminJson& ended);

// ---- Small things.

// 1234567 as "1.2M".
std::string Short(double number);
// Of seconds: "85 us", "1.2 ms", "3.4 s", "12 min", "5 h", "3 d".
std::string Span(double seconds);

// Columns under titles, aligned; numbers to the right.
class TextTable {
 public:
  explicit TextTable(std::vector<std::string> titles) : rows_{std::move(titles)} {}
  void Add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  bool empty() const { return rows_.size() == 1; }
  std::string ToString() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

// Members of `json` whatever is in it.
std::string TextOf(const AdminJson& json, const char* key);
double NumberOf(const AdminJson& json, const char* key);
// An empty one if there is none.
const AdminJson& MemberOf(const AdminJson& json, const char* key);

}  // namespace tlsbridge
