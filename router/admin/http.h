// As much of HTTP/1.1 as answers a GET, or a POST whose body does not matter (RFC 9112): the head
// of one request in, one answer out.
//
// Thread: any. Failure: a outcome; what a client sends cannot do more.
#pragma once

#include <stdint.h>

#include <string>

#include "absl/strings/string_view.h"

namespace tlsbridge {

// Nobody who asks these questions needs more.
inline constexpr size_t kMaxRequestHeadBytes = 8 * 1024;

struct HttpRequest {
  enum class Outcome : uint8_t {
    kIncomplete,  // more is to come
    kComplete,
    kTooLarge,
    kMalformed,
    kMethodNotAllowed,  // neither GET, HEAD nor POST
    kMisdirected,       // for another host (RFC 9110, section 15.5.20)
    kVersionNotSupported,
  };

  // Reads the head that `bytes` begins with. What is behind it, be it a body or another request, is
  // not looked at. `outcome` says whether there is one; the rest is set if it is kComplete.
  static HttpRequest Parse(absl::string_view bytes);

  // Whether it is meant for a server that has no name but its addresses. A page of somebody else's
  // whose name suddenly resolves to this machine (DNS rebinding) still sends its own name.
  bool IsForAnAddress() const;

  Outcome outcome = Outcome::kIncomplete;
  bool head_only = false;  // HEAD
  bool post = false;
  std::string path;    // without the query
  std::string query;   // behind "?"; empty for none
  std::string host;    // of the target, else of the Host field; empty for none
  std::string accept;  // what the client takes (RFC 9110, section 12.5.1); empty for anything
  bool gzip = false;   // the client takes what is compressed so (RFC 9110, section 12.5.3)
  std::string if_none_match;  // what it has already (RFC 9110, section 13.1.2)
  bool from_page = false;     // a browser sends it for a page (Origin, Sec-Fetch-Site)
  bool command = false;       // it has the field kCommandField
};

// What asks to change something has this field, whatever its value: a page of somebody else's
// cannot make a browser send it without asking first (CORS), which is not answered.
inline constexpr absl::string_view kCommandField = "Tlsbridge-Command";

struct HttpAnswer {
  int code = 200;
  absl::string_view type = "text/plain";
  std::string body;
  absl::string_view allow = "GET, HEAD";  // of a 405
  std::string etag = {};                  // of what stays the same, with its quotes; else empty
  absl::string_view encoding = {};        // Content-Encoding; empty for none
  absl::string_view policy = {};          // Content-Security-Policy; empty: nothing may be loaded

  // As it goes on the wire. The connection ends behind it.
  std::string Serialize(bool head_only) const;
};

// What stays as it is for as long as the program does.
HttpAnswer Lasting(absl::string_view type, std::string body);
// `answer`, or that the client has it already (RFC 9110, section 13.1.2). For what has an etag.
HttpAnswer Unless(const HttpRequest& request, HttpAnswer answer);

// What is said to a request that is not kComplete. REQUIRES: it is not kIncomplete either.
HttpAnswer Refusal(HttpRequest::Outcome outcome);

}  // namespace tlsbridge
