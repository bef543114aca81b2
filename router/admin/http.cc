#include "router/admin/http.h"

#include <arpa/inet.h>

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace tlsbridge {
namespace {

using Outcome = HttpRequest::Outcome;

const char* ReasonPhrase(int code) {
  switch (code) {
    case 200:
      return "OK";
    case 304:
      return "Not Modified";
    case 400:
      return "Bad Request";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 409:
      return "Conflict";
    case 421:
      return "Misdirected Request";
    case 431:
      return "Request Header Fields Too Large";
    case 503:
      return "Service Unavailable";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "Unknown";
  }
}

// Takes one line off `bytes`, without its end: LF, or CRLF (RFC 9112, section 2.2). False if none
// is whole.
bool TakeLine(absl::string_view* bytes, absl::string_view* line) {
  const size_t end = bytes->find('\n');
  if (end == absl::string_view::npos) return false;
  *line = absl::StripSuffix(bytes->substr(0, end), "\r");
  bytes->remove_prefix(end + 1);
  return true;
}

bool IsText(absl::string_view line) {
  return std::none_of(line.begin(), line.end(),
                      [](char c) { return absl::ascii_iscntrl(c) && c != '\t'; });
}

// Takes "/path?query" or "http://host/path?query" (RFC 9112, section 3.2) apart; the path is empty
// if it is neither.
absl::string_view PathOf(absl::string_view target, absl::string_view* host,
                         absl::string_view* query) {
  if (absl::StartsWithIgnoreCase(target, "http://")) {
    target.remove_prefix(7);
    const size_t slash = target.find('/');
    *host = target.substr(0, slash);
    target = slash == absl::string_view::npos ? "/" : target.substr(slash);
  }
  if (!absl::StartsWith(target, "/")) return "";
  target = target.substr(0, target.find('#'));
  const size_t mark = target.find('?');
  if (mark != absl::string_view::npos) *query = target.substr(mark + 1);
  return target.substr(0, mark);
}

Outcome ParseRequestLine(absl::string_view line, HttpRequest* request) {
  const size_t first = line.find(' ');
  const size_t last = line.rfind(' ');
  if (first == absl::string_view::npos || first == last) return Outcome::kMalformed;
  const absl::string_view method = line.substr(0, first);
  const absl::string_view target = line.substr(first + 1, last - first - 1);
  const absl::string_view version = line.substr(last + 1);
  if (method.empty() || absl::StrContains(target, ' ') || !absl::StartsWith(version, "HTTP/")) {
    return Outcome::kMalformed;
  }
  if (version != "HTTP/1.1" && version != "HTTP/1.0") return Outcome::kVersionNotSupported;
  request->post = method == "POST";
  if (method != "GET" && method != "HEAD" && !request->post) return Outcome::kMethodNotAllowed;
  absl::string_view host;
  absl::string_view query;
  const absl::string_view path = PathOf(target, &host, &query);
  if (path.empty()) return Outcome::kMalformed;
  request->head_only = method == "HEAD";
  request->path = std::string(path);
  request->query = std::string(query);
  request->host = std::string(host);
  return Outcome::kComplete;
}

// Whether a list of encodings names gzip; with a weight of nothing, it does not.
bool TakesGzip(absl::string_view encodings) {
  for (const absl::string_view encoding : absl::StrSplit(encodings, ',')) {
    const std::pair<absl::string_view, absl::string_view> parts =
        absl::StrSplit(encoding, absl::MaxSplits(';', 1));
    if (!absl::EqualsIgnoreCase(absl::StripAsciiWhitespace(parts.first), "gzip")) continue;
    double q = 1;
    absl::string_view weight = absl::StripAsciiWhitespace(parts.second);
    if (absl::ConsumePrefix(&weight, "q=") && !absl::SimpleAtod(weight, &q)) q = 0;
    return q > 0;
  }
  return false;
}

Outcome ParseHead(absl::string_view bytes, HttpRequest* request) {
  absl::string_view line;
  do {  // an empty line before a request is to be borne (RFC 9112, section 2.2)
    if (!TakeLine(&bytes, &line)) return Outcome::kIncomplete;
  } while (line.empty());
  if (!IsText(line)) return Outcome::kMalformed;
  const Outcome outcome = ParseRequestLine(line, request);
  if (outcome != Outcome::kComplete) return outcome;
  const bool host_in_target = !request->host.empty();
  int hosts = 0;
  while (TakeLine(&bytes, &line)) {
    if (line.empty()) return Outcome::kComplete;
    const size_t colon = line.find(':');
    if (!IsText(line) || colon == absl::string_view::npos) return Outcome::kMalformed;
    const absl::string_view field = line.substr(0, colon);
    const absl::string_view value = absl::StripAsciiWhitespace(line.substr(colon + 1));
    if (absl::EqualsIgnoreCase(field, "accept")) {
      // Several are one list (RFC 9110, section 5.2).
      absl::StrAppend(&request->accept, request->accept.empty() ? "" : ", ", value);
    }
    if (absl::EqualsIgnoreCase(field, "accept-encoding") && TakesGzip(value)) {
      request->gzip = true;
    }
    if (absl::EqualsIgnoreCase(field, "if-none-match")) {
      absl::StrAppend(&request->if_none_match, request->if_none_match.empty() ? "" : ", ", value);
    }
    if (absl::EqualsIgnoreCase(field, kCommandField)) request->command = true;
    if (absl::EqualsIgnoreCase(field, "origin") ||
        (absl::EqualsIgnoreCase(field, "sec-fetch-site") && value != "none")) {
      request->from_page = true;
    }
    if (!absl::EqualsIgnoreCase(field, "host")) continue;
    if (++hosts > 1) return Outcome::kMalformed;  // RFC 9112, section 3.2
    if (host_in_target) continue;
    request->host = std::string(value);
  }
  return Outcome::kIncomplete;
}

}  // namespace

bool HttpRequest::IsForAnAddress() const {
  absl::string_view name = host;
  if (absl::ConsumePrefix(&name, "[")) {
    const size_t end = name.find(']');
    const std::string address(name.substr(0, end));
    in6_addr ignored;
    return end != absl::string_view::npos && inet_pton(AF_INET6, address.c_str(), &ignored) == 1;
  }
  const std::string address(name.substr(0, name.find(':')));
  in_addr ignored;
  return address.empty() || absl::EqualsIgnoreCase(address, "localhost") ||
         inet_pton(AF_INET, address.c_str(), &ignored) == 1;
}

HttpRequest HttpRequest::Parse(absl::string_view bytes) {
  HttpRequest request;
  request.outcome = ParseHead(bytes.substr(0, kMaxRequestHeadBytes), &request);
  if (request.outcome == Outcome::kIncomplete && bytes.size() >= kMaxRequestHeadBytes) {
    request.outcome = Outcome::kTooLarge;
  }
  return request;
}

std::string HttpAnswer::Serialize(bool head_only) const {
  std::string head = absl::StrCat("HTTP/1.1 ", code, " ", ReasonPhrase(code), "\r\n");
  if (code != 304) {
    absl::StrAppend(&head, "Content-Type: ", type, "\r\nContent-Length: ", body.size(), "\r\n");
  }
  if (code == 405) absl::StrAppend(&head, "Allow: ", allow, "\r\n");
  if (!encoding.empty()) absl::StrAppend(&head, "Content-Encoding: ", encoding, "\r\n");
  if (!policy.empty()) absl::StrAppend(&head, "Vary: Accept-Encoding\r\n");
  // What has an etag may be kept, and is asked for again each time (RFC 9111, section 5.2.2.4).
  absl::StrAppend(&head, "Cache-Control: ", etag.empty() ? "no-store" : "no-cache", "\r\n");
  if (!etag.empty()) absl::StrAppend(&head, "ETag: ", etag, "\r\n");
  absl::StrAppend(&head, "X-Content-Type-Options: nosniff\r\n", "Content-Security-Policy: ",
                  policy.empty() ? "default-src 'none'; frame-ancestors 'none'" : policy,
                  "\r\nConnection: close\r\n\r\n");
  return absl::StrCat(head, head_only || code == 304 ? "" : body);
}

HttpAnswer Lasting(absl::string_view type, std::string body) {
  // FNV-1a: the same in each process that has this body.
  uint64_t hash = 14695981039346656037u;
  for (const unsigned char c : body) hash = (hash ^ c) * 1099511628211u;
  HttpAnswer answer = {200, type, std::move(body)};
  answer.etag = absl::StrCat("\"", absl::Hex(hash), "\"");
  return answer;
}

HttpAnswer Unless(const HttpRequest& request, HttpAnswer answer) {
  for (absl::string_view known : absl::StrSplit(request.if_none_match, ',')) {
    known = absl::StripAsciiWhitespace(known);
    absl::ConsumePrefix(&known, "W/");  // compared weakly
    if (known != "*" && known != answer.etag) continue;
    answer.code = 304;
    answer.body.clear();
    break;
  }
  return answer;
}

HttpAnswer Refusal(HttpRequest::Outcome outcome) {
  switch (outcome) {
    case Outcome::kTooLarge:
      return {431, "text/plain", "request header too large (limit 8 KiB)\n"};
    case Outcome::kMisdirected:
      return {421, "text/plain", "invalid Host: use an IP address or localhost\n"};
    case Outcome::kMethodNotAllowed:
      return {405, "text/plain", "use GET, or POST for what changes something\n",
              "GET, HEAD, POST"};
    case Outcome::kVersionNotSupported:
      return {505, "text/plain", "use HTTP/1.1\n"};
    default:
      return {400, "text/plain", "malformed HTTP request\n"};
  }
}

}  // namespace tlsbridge
