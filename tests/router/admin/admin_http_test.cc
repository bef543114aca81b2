// The head of a request, however it comes; without a socket.

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "router/admin/http.h"

namespace tlsbridge {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;
using Outcome = HttpRequest::Outcome;

Outcome VerdictOf(const std::string& bytes) { return HttpRequest::Parse(bytes).outcome; }
std::string PathOf(const std::string& bytes) { return HttpRequest::Parse(bytes).path; }

TEST(HttpRequest, AGetIsUnderstood) {
  const HttpRequest request =
      HttpRequest::Parse("GET /live HTTP/1.1\r\nHost: localhost:9901\r\nAccept: */*\r\n\r\n");
  EXPECT_EQ(request.outcome, Outcome::kComplete);
  EXPECT_EQ(request.path, "/live");
  EXPECT_FALSE(request.head_only);
}

TEST(HttpRequest, AHeadIsToldFromAGet) {
  EXPECT_TRUE(HttpRequest::Parse("HEAD /live HTTP/1.1\r\n\r\n").head_only);
}

TEST(HttpRequest, TheOldVersionBareLinefeedsAndEmptyLinesBeforeItAreBorne) {
  EXPECT_EQ(PathOf("GET /live HTTP/1.0\n\n"), "/live");
  EXPECT_EQ(PathOf("\r\n\n\r\nGET /live HTTP/1.1\r\n\r\n"), "/live");
}

TEST(HttpRequest, QueryAndAuthorityAreNoPartOfThePath) {
  EXPECT_EQ(PathOf("GET /ready?verbose=1 HTTP/1.1\r\n\r\n"), "/ready");
  EXPECT_EQ(PathOf("GET http://localhost:9901/ready?x HTTP/1.1\r\n\r\n"), "/ready");
  EXPECT_EQ(PathOf("GET http://localhost HTTP/1.1\r\n\r\n"), "/");
  EXPECT_EQ(HttpRequest::Parse("GET http://localhost/a?b=1&c=2?#d HTTP/1.1\r\n\r\n").query,
            "b=1&c=2?");
  EXPECT_EQ(HttpRequest::Parse("GET /a#b?c HTTP/1.1\r\n\r\n").query, "");
}

TEST(HttpRequest, IsForAnAddressUnlessItNamesAnotherHost) {
  const auto is_for_us = [](const std::string& line, const std::string& fields) {
    return HttpRequest::Parse("GET " + line + " HTTP/1.1\r\n" + fields + "\r\n").IsForAnAddress();
  };
  for (const char* host : {"127.0.0.1", "127.0.0.1:9901", "localhost", "LocalHost:1", "[::1]:9901",
                           "[fd00::7]", "10.1.2.3:80", ""}) {
    EXPECT_TRUE(is_for_us("/live", std::string("Host: ") + host + "\r\n")) << host;
  }
  for (const char* host : {"evil.example", "evil.example:9901", "localhost.evil.example", "[evil]",
                           "127.0.0.1.evil.example", "[::1", "127.0.0.1@evil.example"}) {
    EXPECT_FALSE(is_for_us("/live", std::string("host:") + host + "\r\n")) << host;
  }
  EXPECT_TRUE(is_for_us("/live", "")) << "HTTP/1.0 has no such field";
  EXPECT_FALSE(is_for_us("http://evil.example/live", "Host: 127.0.0.1\r\n"))
      << "the target's counts (RFC 9112, section 3.2.2)";
  EXPECT_EQ(VerdictOf("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: a\r\n\r\n"), Outcome::kMalformed);
}

TEST(HttpRequest, EveryPrefixIsIncomplete) {
  const std::string whole = "GET /live HTTP/1.1\r\nHost: a\r\n\r\n";
  for (size_t length = 0; length < whole.size(); ++length) {
    EXPECT_EQ(VerdictOf(whole.substr(0, length)), Outcome::kIncomplete) << length;
  }
  EXPECT_EQ(VerdictOf(whole), Outcome::kComplete);
}

TEST(HttpRequest, WhatFollowsTheHeadIsNotLookedAt) {
  EXPECT_EQ(PathOf("GET /live HTTP/1.1\r\n\r\nGET /ready HTTP/1.1\r\n\r\n"), "/live");
  EXPECT_EQ(PathOf("GET /live HTTP/1.1\r\nContent-Length: 3\r\n\r\n\x01\x02\x03"), "/live");
}

TEST(HttpRequest, AHeadMayHaveEightKibibytes) {
  const std::string line = "GET /live HTTP/1.1\r\nX: ";
  const std::string fits = line + std::string(kMaxRequestHeadBytes - line.size() - 4, 'x');
  EXPECT_EQ(VerdictOf(fits + "\r\n\r\n"), Outcome::kComplete);
  EXPECT_EQ(VerdictOf(fits + "x\r\n\r\n"), Outcome::kTooLarge);
  EXPECT_EQ(VerdictOf(std::string(kMaxRequestHeadBytes, 'G')), Outcome::kTooLarge);
  EXPECT_EQ(VerdictOf(std::string(kMaxRequestHeadBytes, '\n')), Outcome::kTooLarge);
}

TEST(HttpRequest, WhatIsNoHttpIsMalformed) {
  for (const std::string& bytes :
       {std::string("hello\r\n"), std::string("GET /live\r\n"), std::string("GET  HTTP/1.1\r\n"),
        std::string("GET / x HTTP/1.1\r\n"), std::string(" / HTTP/1.1\r\n"),
        std::string("GET live HTTP/1.1\r\n"), std::string("GET * HTTP/1.1\r\n"),
        std::string("GET /live FTP/1.1\r\n"), std::string("\x16\x03\x01\x02\x00\n", 6),
        std::string("GET /\0 HTTP/1.1\n", 16), std::string("GET /live HTTP/1.1\r\nno colon\r\n"),
        std::string("GET /live HTTP/1.1\r\nX: \x7f\r\n"),
        std::string("GET /live HTTP/1.1\r\nX: a\rY: b\r\n")}) {
    EXPECT_EQ(VerdictOf(bytes), Outcome::kMalformed) << bytes;
  }
}

TEST(HttpRequest, OtherMethodsAndVersionsAreToldWhatIsWrong) {
  EXPECT_EQ(VerdictOf("PUT /live HTTP/1.1\r\n"), Outcome::kMethodNotAllowed);
  EXPECT_EQ(VerdictOf("get /live HTTP/1.1\r\n"), Outcome::kMethodNotAllowed);
  EXPECT_EQ(VerdictOf("PRI * HTTP/2.0\r\n"), Outcome::kVersionNotSupported);
  EXPECT_EQ(VerdictOf("GET /live HTTP/1.1x\r\n"), Outcome::kVersionNotSupported);
}

TEST(HttpRequest, TellsAPostAndWhoSendsIt) {
  const auto parse = [](const std::string& fields) {
    return HttpRequest::Parse("POST /drain HTTP/1.1\r\n" + fields + "\r\n");
  };
  EXPECT_TRUE(parse("").post);
  EXPECT_FALSE(parse("").command);
  EXPECT_TRUE(parse("tlsbridge-command: 1\r\n").command);
  EXPECT_FALSE(parse("Tlsbridge-Command: 1\r\n").from_page);
  EXPECT_TRUE(parse("Origin: null\r\n").from_page);
  EXPECT_TRUE(parse("Sec-Fetch-Site: same-origin\r\n").from_page);
  EXPECT_FALSE(parse("Sec-Fetch-Site: none\r\n").from_page) << "typed into the address bar";
}

TEST(HttpAnswer, WhatTheClientHasAlreadyIsNotSentAgain) {
  const HttpAnswer answer = Lasting("text/plain", "body");
  const auto code_for = [&answer](const std::string& field) {
    return Unless(HttpRequest::Parse("GET / HTTP/1.1\r\n" + field + "\r\n"), answer).code;
  };
  EXPECT_EQ(code_for(""), 200);
  EXPECT_EQ(code_for("If-None-Match: \"other\"\r\n"), 200);
  EXPECT_EQ(code_for("If-None-Match: " + answer.etag + "\r\n"), 304);
  EXPECT_EQ(code_for("If-None-Match: \"a\", W/" + answer.etag + "\r\n"), 304);
  EXPECT_EQ(code_for("If-None-Match: *\r\n"), 304);
  EXPECT_NE(Lasting("text/plain", "another").etag, answer.etag);
  HttpAnswer known = answer;
  known.code = 304;
  EXPECT_THAT(known.Serialize(false),
              AllOf(StartsWith("HTTP/1.1 304 Not Modified\r\n"), HasSubstr("ETag: " + answer.etag),
                    Not(HasSubstr("Content-Length")), EndsWith("\r\n\r\n")));
}

TEST(HttpAnswer, ABrowserGuessesNoTypeAndLoadsNothing) {
  EXPECT_THAT(HttpAnswer().Serialize(false),
              AllOf(HasSubstr("X-Content-Type-Options: nosniff\r\n"),
                    HasSubstr("Content-Security-Policy: default-src 'none'"),
                    HasSubstr("Cache-Control: no-store\r\n")));
}

TEST(HttpAnswer, TellsItsLengthAndThatTheConnectionEnds) {
  const std::string bytes = HttpAnswer{200, "text/plain", "live\n"}.Serialize(/*head_only=*/false);
  EXPECT_THAT(bytes, AllOf(StartsWith("HTTP/1.1 200 OK\r\n"), HasSubstr("Content-Length: 5\r\n"),
                           HasSubstr("Connection: close\r\n"), EndsWith("\r\n\r\nlive\n")));
}

TEST(HttpAnswer, ToAHeadHasTheLengthButNoBody) {
  const std::string bytes = HttpAnswer{200, "text/plain", "live\n"}.Serialize(/*head_only=*/true);
  EXPECT_THAT(bytes, AllOf(HasSubstr("Content-Length: 5\r\n"), EndsWith("\r\n\r\n")));
}

TEST(HttpAnswer, ToAnotherMethodNamesThoseThatThereAre) {
  EXPECT_THAT(Refusal(Outcome::kMethodNotAllowed).Serialize(false), HasSubstr("Allow: GET, HEAD"));
  EXPECT_THAT(Refusal(Outcome::kMalformed).Serialize(false), Not(HasSubstr("Allow")));
}

}  // namespace
}  // namespace tlsbridge
