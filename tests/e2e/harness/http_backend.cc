#include "tests/e2e/harness/http_backend.h"

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "nlohmann/json.hpp"
#include "tests/e2e/harness/payload.h"

namespace tlsbridge::e2e {
namespace {

struct Request {
  std::string method;
  std::string path;
  std::map<std::string, std::string> headers;  // Names in lower case.
  std::string body;
};

std::optional<Request> ParseHead(absl::string_view head) {
  std::vector<absl::string_view> lines =
      absl::StrSplit(absl::StripSuffix(head, "\r\n\r\n"), "\r\n");
  const std::vector<std::string> first = absl::StrSplit(lines[0], ' ');
  if (first.size() != 3 || first[2] != "HTTP/1.1") return std::nullopt;
  Request request{.method = first[0], .path = first[1], .headers = {}, .body = {}};
  for (size_t i = 1; i < lines.size(); ++i) {
    const std::pair<std::string, std::string> header =
        absl::StrSplit(lines[i], absl::MaxSplits(':', 1));
    request.headers[absl::AsciiStrToLower(header.first)] =
        std::string(absl::StripAsciiWhitespace(header.second));
  }
  return request;
}

// The header's value, or empty.
absl::string_view HeaderOf(const Request& request, const std::string& name) {
  const auto found = request.headers.find(name);
  return found == request.headers.end() ? "" : absl::string_view(found->second);
}

// False when it cannot be read or understood.
bool ReadBody(Socket& connection, Request& request) {
  const absl::string_view length = HeaderOf(request, "content-length");
  size_t bytes = 0;
  if (request.headers.count("transfer-encoding") > 0) return false;
  if (!length.empty() && !absl::SimpleAtoi(length, &bytes)) return false;
  if (HeaderOf(request, "expect") == "100-continue" &&
      !connection.Write("HTTP/1.1 100 Continue\r\n\r\n").ok()) {
    return false;
  }
  absl::StatusOr<std::string> body = connection.ReadExactly(bytes);
  if (!body.ok()) return false;
  request.body = *std::move(body);
  return true;
}

std::string Response(absl::string_view status, absl::string_view type, absl::string_view body) {
  return absl::StrCat("HTTP/1.1 ", status, "\r\nContent-Type: ", type,
                      "\r\nContent-Length: ", body.size(), "\r\n\r\n", body);
}

std::string Answer(const Request& request, int connection, int number) {
  absl::string_view rest = request.path;
  size_t bytes = 0;
  if (absl::ConsumePrefix(&rest, "/download/") && absl::SimpleAtoi(rest, &bytes)) {
    return Response("200 OK", "application/octet-stream", Payload(bytes));
  }
  nlohmann::json body;
  if (request.path == "/upload") {
    body = {{"bytes", request.body.size()}, {"checksum", Checksum(request.body)}};
  } else {
    body = {{"method", request.method},   {"path", request.path},
            {"headers", request.headers}, {"body_bytes", request.body.size()},
            {"connection", connection},   {"request", number}};
  }
  return Response("200 OK", "application/json", body.dump());
}

}  // namespace

HttpBackend::HttpBackend(absl::string_view listen)
    : backend_([this](Socket& connection) { Serve(connection); }, listen) {}

void HttpBackend::Serve(Socket& connection) {
  const int number = ++connections_served_;
  for (int requests = 1;; ++requests) {
    const absl::StatusOr<std::string> head = connection.ReadUntil("\r\n\r\n");
    if (!head.ok()) return;
    std::optional<Request> request = ParseHead(*head);
    if (!request || !ReadBody(connection, *request)) {
      (void)connection.Write(Response("400 Bad Request", "text/plain", "bad request"));
      return;
    }
    ++requests_received_;
    if (!connection.Write(Answer(*request, number, requests)).ok()) return;
    if (absl::AsciiStrToLower(HeaderOf(*request, "connection")) == "close") return;
  }
}

}  // namespace tlsbridge::e2e
