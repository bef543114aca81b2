#include <openssl/bio.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/tls/memory_client.h"
#include "tls/alert_record.h"
#include "tls/hello/client_hello_reader.h"

namespace tlsbridge::tls {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using Result = ClientHelloReader::Result;
using Bytes = std::vector<uint8_t>;

constexpr uint8_t kAlpn[] = "\x02h2\x08http/1.1";

// The first record of a BoringSSL client.
Bytes Hello(absl::FunctionRef<void(SSL*)> configure) {
  bssl::UniquePtr<SSL_CTX> ctx(SSL_CTX_new(TLS_method()));
  bssl::UniquePtr<SSL> ssl(SSL_new(ctx.get()));
  SSL_set_bio(ssl.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
  BIO_set_mem_eof_return(SSL_get_rbio(ssl.get()), -1);
  configure(ssl.get());
  SSL_connect(ssl.get());
  const uint8_t* data;
  size_t length;
  BIO_mem_contents(SSL_get_wbio(ssl.get()), &data, &length);
  return Bytes(data, data + length);
}

Bytes UsualHello() {
  return Hello([](SSL* ssl) {
    SSL_set_min_proto_version(ssl, TLS1_2_VERSION);
    SSL_set_tlsext_host_name(ssl, "Orders.Internal");
    SSL_set_alpn_protos(ssl, kAlpn, sizeof(kAlpn) - 1);
  });
}

void AppendRecord(absl::Span<const uint8_t> fragment, Bytes* bytes) {
  bytes->insert(bytes->end(), {22, 3, 1, static_cast<uint8_t>(fragment.size() >> 8),
                               static_cast<uint8_t>(fragment.size())});
  bytes->insert(bytes->end(), fragment.begin(), fragment.end());
}

// The message in the one record of `hello`, in records of `size` bytes with `empty` empty ones
// before each.
Bytes Refragment(const Bytes& hello, size_t size, int empty = 0) {
  Bytes made;
  for (absl::Span<const uint8_t> rest = absl::MakeConstSpan(hello).subspan(5); !rest.empty();
       rest.remove_prefix(std::min(size, rest.size()))) {
    for (int i = 0; i < empty; ++i) AppendRecord({}, &made);
    AppendRecord(rest.first(std::min(size, rest.size())), &made);
  }
  return made;
}

Bytes Text(absl::string_view text) { return Bytes(text.begin(), text.end()); }

// A hello of one suite with `extensions` (each with its own header) in one record.
Bytes HelloWith(const Bytes& extensions) {
  Bytes body = {3, 3};
  body.resize(2 + 32, 0x55);
  body.insert(body.end(), {0, 0, 2, 0x13, 0x01, 1, 0, static_cast<uint8_t>(extensions.size() >> 8),
                           static_cast<uint8_t>(extensions.size())});
  body.insert(body.end(), extensions.begin(), extensions.end());
  Bytes message = {1, 0, static_cast<uint8_t>(body.size() >> 8), static_cast<uint8_t>(body.size())};
  message.insert(message.end(), body.begin(), body.end());
  Bytes record;
  AppendRecord(message, &record);
  return record;
}

Result FeedAll(const Bytes& bytes) { return ClientHelloReader().Feed(bytes); }

// The number of bytes after which the reader, fed one at a time, gives up.
size_t BytesUntilRefusal(const Bytes& bytes) {
  ClientHelloReader reader;
  for (size_t i = 0; i < bytes.size(); ++i) {
    const Result result = reader.Feed(absl::MakeConstSpan(bytes).subspan(i, 1));
    if (result == Result::kNotHello) return i + 1;
    if (result == Result::kWhole) break;
  }
  return 0;
}

TEST(ClientHello, TellsNameProtocolsVersionsCiphersSignaturesAndGroups) {
  ClientHelloReader reader;
  const Bytes bytes = UsualHello();
  ASSERT_EQ(reader.Feed(bytes), Result::kWhole);
  const ClientHello& hello = reader.hello();
  EXPECT_EQ(hello.server_name, "orders.internal");
  EXPECT_THAT(hello.alpn, ElementsAre("h2", "http/1.1"));
  EXPECT_THAT(hello.versions, ElementsAre(TLS1_3_VERSION, TLS1_2_VERSION));
  EXPECT_THAT(hello.cipher_suites, Contains(0x1301));
  EXPECT_THAT(hello.signature_algorithms, Contains(SSL_SIGN_ECDSA_SECP256R1_SHA256));
  EXPECT_THAT(hello.groups, Contains(SSL_GROUP_X25519));
}

TEST(ClientHello, WhatIsAbsentIsEmpty) {
  ClientHelloReader reader;
  const Bytes bytes = Hello([](SSL*) {});
  ASSERT_EQ(reader.Feed(bytes), Result::kWhole);
  EXPECT_EQ(reader.hello().server_name, "");
  EXPECT_TRUE(reader.hello().alpn.empty());
}

TEST(ClientHello, AClientWithoutSupportedVersionsTakesThoseUpToItsLegacyVersion) {
  const Bytes tls12 = Hello([](SSL* ssl) { SSL_set_max_proto_version(ssl, TLS1_2_VERSION); });
  ClientHelloReader reader;
  ASSERT_EQ(reader.Feed(tls12), Result::kWhole);
  EXPECT_THAT(reader.hello().versions, ElementsAre(TLS1_2_VERSION, TLS1_1_VERSION, TLS1_VERSION));
}

TEST(ClientHello, GreaseIsLeftOut) {
  const Bytes bytes = Hello([](SSL* ssl) { SSL_CTX_set_grease_enabled(SSL_get_SSL_CTX(ssl), 1); });
  EXPECT_GT(bytes.size(), Hello([](SSL*) {}).size());
  ClientHelloReader reader;
  ASSERT_EQ(reader.Feed(bytes), Result::kWhole);
  for (const auto& numbers : {reader.hello().versions, reader.hello().cipher_suites,
                              reader.hello().groups, reader.hello().signature_algorithms}) {
    for (const uint16_t number : numbers) EXPECT_NE(number & 0x0f0f, 0x0a0a);
  }
}

TEST(ClientHello, TheDotAtTheEndOfANameIsDropped) {
  ClientHelloReader reader;
  const Bytes bytes = HelloWith({0, 0, 0, 7, 0, 5, 0, 0, 2, 'A', '.'});
  ASSERT_EQ(reader.Feed(bytes), Result::kWhole);
  EXPECT_EQ(reader.hello().server_name, "a");
}

TEST(ClientHello, AHelloWithoutExtensionsIsWhole) {
  Bytes bytes = HelloWith({});
  bytes.resize(bytes.size() - 2);
  bytes[4] = static_cast<uint8_t>(bytes[4] - 2);
  bytes[8] = static_cast<uint8_t>(bytes[8] - 2);
  ClientHelloReader reader;
  ASSERT_EQ(reader.Feed(bytes), Result::kWhole);
  EXPECT_THAT(reader.hello().cipher_suites, ElementsAre(0x1301));
}

TEST(ClientHelloReader, AHelloSplitAnywhereGivesTheSameAndAllItsBytes) {
  const Bytes bytes = UsualHello();
  for (size_t at = 0; at < bytes.size(); ++at) {
    ClientHelloReader reader;
    ASSERT_EQ(reader.Feed(absl::MakeConstSpan(bytes).first(at)), Result::kNeedMore) << at;
    ASSERT_EQ(reader.Feed(absl::MakeConstSpan(bytes).subspan(at)), Result::kWhole) << at;
    EXPECT_EQ(reader.hello().server_name, "orders.internal") << at;
    EXPECT_THAT(reader.hello().alpn, ElementsAre("h2", "http/1.1")) << at;
    EXPECT_EQ(Bytes(reader.raw().begin(), reader.raw().end()), bytes) << at;
  }
}

TEST(ClientHelloReader, ReassemblesAHelloFromRecordsOfAnySizeFedByteByByte) {
  const Bytes hello = UsualHello();
  for (size_t size = 1; size < hello.size(); ++size) {
    for (const int empty : {0, 1}) {
      const Bytes bytes = Refragment(hello, size, empty);
      ASSERT_EQ(FeedAll(bytes), Result::kWhole) << size;
      ClientHelloReader reader;
      for (size_t i = 0; i < bytes.size(); ++i) {
        ASSERT_EQ(reader.Feed({&bytes[i], 1}),
                  i + 1 < bytes.size() ? Result::kNeedMore : Result::kWhole)
            << size << " " << i;
      }
      EXPECT_EQ(reader.hello().server_name, "orders.internal") << size;
      EXPECT_THAT(reader.hello().alpn, ElementsAre("h2", "http/1.1")) << size;
      EXPECT_EQ(Bytes(reader.raw().begin(), reader.raw().end()), hello) << size;
    }
  }
}

TEST(ClientHelloReader, AHelloThatIsWholeAtOnceIsNotCopied) {
  const Bytes bytes = UsualHello();
  ClientHelloReader reader;
  ASSERT_EQ(reader.Feed(bytes), Result::kWhole);
  EXPECT_EQ(reader.raw().data(), bytes.data());
}

// Of `bytes` in all, with as many names of protocols as there is room for.
Bytes LongHello(size_t bytes) {
  const auto high = [](size_t n) { return static_cast<uint8_t>(n >> 8); };
  const auto low = [](size_t n) { return static_cast<uint8_t>(n); };
  const size_t names = bytes - HelloWith({}).size() - 6;
  Bytes extension = {0, 16, high(names + 2), low(names + 2), high(names), low(names)};
  for (size_t i = 0; i + 1 < names; i += 2) extension.insert(extension.end(), {1, 'a'});
  if (names % 2 != 0) {  // the last one is longer
    extension.back() = 'b';
    extension.push_back('b');
    extension[extension.size() - 3] = 2;
  }
  Bytes body = {3, 3};
  body.resize(2 + 32, 0x55);
  body.insert(body.end(),
              {0, 0, 2, 0x13, 0x01, 1, 0, high(extension.size()), low(extension.size())});
  body.insert(body.end(), extension.begin(), extension.end());
  Bytes message = {1, 0, high(body.size()), low(body.size())};
  message.insert(message.end(), body.begin(), body.end());
  return message;
}

// RFC 8446 section 5.1: how a message is cut into records has no meaning.
TEST(ClientHelloReader, TheLongestHelloIsReadHoweverItIsCutUpAndHoldsNoMoreThanItself) {
  constexpr size_t kRecordHeader = 5;
  for (const size_t message_bytes : {size_t{16384}, ClientHelloReader::kMaxMessageBytes}) {
    const Bytes message = LongHello(message_bytes + kRecordHeader);
    ASSERT_EQ(message.size(), message_bytes);
    Bytes framed(kRecordHeader);
    framed.insert(framed.end(), message.begin(), message.end());
    for (const size_t size : {size_t{1}, size_t{2}, size_t{1000}, size_t{16383}}) {
      for (const size_t piece : {size_t{1}, size_t{7}, size_t{4096}, size_t{200'000}}) {
        const Bytes bytes = Refragment(framed, size);
        ClientHelloReader reader;
        Result result = Result::kNeedMore;
        for (size_t at = 0; at < bytes.size(); at += piece) {
          ASSERT_EQ(result, Result::kNeedMore) << size << " " << piece;
          result = reader.Feed(absl::MakeConstSpan(bytes).subspan(at, piece));
          if (result == Result::kNeedMore) {
            ASSERT_LE(reader.held_bytes(), ClientHelloReader::kMaxHeldBytes);
          }
        }
        ASSERT_EQ(result, Result::kWhole) << size << " " << piece;
        EXPECT_TRUE(reader.hello().alpn.Contains("a"));
        EXPECT_LE(reader.raw().size(), ClientHelloReader::kMaxHeldBytes);
        ClientHelloReader next;
        ASSERT_EQ(next.Feed(reader.raw()), Result::kWhole) << "what is given on is a hello";
        EXPECT_EQ(next.hello().alpn, reader.hello().alpn);
      }
    }
  }
}

TEST(ClientHelloReader, BytesThatFollowTheHelloAreKept) {
  Bytes bytes = UsualHello();
  const size_t hello_bytes = bytes.size();
  const Bytes more = Text("early data, whatever it is");
  bytes.insert(bytes.end(), more.begin(), more.end());
  ClientHelloReader at_once;
  ASSERT_EQ(at_once.Feed(bytes), Result::kWhole);
  EXPECT_EQ(Bytes(at_once.raw().begin(), at_once.raw().end()), bytes);
  ClientHelloReader split;
  ASSERT_EQ(split.Feed(absl::MakeConstSpan(bytes).first(hello_bytes - 1)), Result::kNeedMore);
  ASSERT_EQ(split.Feed(absl::MakeConstSpan(bytes).subspan(hello_bytes - 1)), Result::kWhole);
  EXPECT_EQ(Bytes(split.raw().begin(), split.raw().end()), bytes);
}

TEST(ClientHelloReader, RefusesAtTheFirstByteThatNoHelloHas) {
  EXPECT_EQ(BytesUntilRefusal(Text("GET / HTTP/1.1\r\n\r\n")), 4u);
  EXPECT_EQ(BytesUntilRefusal(Text("SSH-2.0-OpenSSH_9.2\r\n")), 1u);
  EXPECT_EQ(BytesUntilRefusal({22, 2, 0, 0, 0}), 2u);
  EXPECT_EQ(BytesUntilRefusal({22, 3, 1, 0x40, 1, 1}), 5u) << "a record of more than 2^14 bytes";
  EXPECT_EQ(BytesUntilRefusal({22, 3, 1, 0, 100, 2}), 6u) << "a ServerHello";
  EXPECT_EQ(BytesUntilRefusal({22, 3, 1, 0, 1, 1, 21}), 7u) << "an alert among the fragments";
  EXPECT_EQ(BytesUntilRefusal({22, 3, 1, 0, 1, 1, 22, 3, 1, 0, 1, 1, 22, 2}), 14u);
  EXPECT_EQ(BytesUntilRefusal({21, 3, 3, 0, 2, 1, 0}), 7u) << "an alert";
  EXPECT_EQ(BytesUntilRefusal({0x80, 0x2e, 1, 3, 1}), 3u) << "the format of SSL 2.0";
}

TEST(ClientHelloReader, RefusesAMessageThatBoringSslWouldNotRead) {
  EXPECT_EQ(BytesUntilRefusal({22, 3, 1, 0x40, 0, 1, 0, 0x40, 1}), 9u);
  EXPECT_EQ(BytesUntilRefusal({22, 3, 1, 0x40, 0, 1, 0, 0x40, 0}), 0u);
}

TEST(ClientHelloReader, WhatItHoldsOfAHelloThatNeverEndsIsBounded) {
  Bytes empty_record;
  AppendRecord({}, &empty_record);
  ClientHelloReader reader;
  Result result = Result::kNeedMore;
  size_t fed = 0;
  while (result == Result::kNeedMore && fed < 1'000'000) {
    result = reader.Feed(empty_record);
    fed += empty_record.size();
  }
  EXPECT_EQ(result, Result::kNotHello);
  EXPECT_LE(reader.held_bytes(), ClientHelloReader::kMaxHeldBytes);
  EXPECT_LE(fed, 200u);
}

TEST(ClientHelloReader, RefusesAMalformedHelloInsideValidRecords) {
  const std::vector<Bytes> malformed = {
      {0, 0, 0, 5, 0, 3, 0, 0, 0},                      // an empty name
      {0, 0, 0, 0},                                     // no name at all
      {0, 0, 0, 6, 0, 4, 1, 0, 1, 'a'},                 // a name of an unknown type
      {0, 0, 0, 6, 0, 4, 0, 0, 1, 0},                   // a zero in the name
      {0, 0, 0, 6, 0, 5, 0, 0, 1, 'a'},                 // a list past its extension
      {0, 0, 0, 10, 0, 8, 0, 0, 1, 'a', 0, 0, 1, 'b'},  // two names
      {0, 16, 0, 2, 0, 0},                              // no protocol
      {0, 16, 0, 3, 0, 1, 0},                           // an empty protocol
      {0, 16, 0, 4, 0, 2, 9, 'h'},                      // a protocol past its list
      {0, 43, 0, 2, 1, 3},                              // half a version
      {0, 43, 0, 1, 0},                                 // no version
      {0, 13, 0, 2, 0, 0},                              // no signature algorithm
      {0, 10, 0, 3, 0, 1, 0},                           // half a group
      {0x99, 0x99, 0, 0, 0x99, 0x99, 0, 0},             // an extension twice
      {0x99, 0x99, 0, 9, 1},                            // an extension past the hello
      {0x99},                                           // half an extension
  };
  for (const Bytes& extensions : malformed) {
    EXPECT_EQ(FeedAll(HelloWith(extensions)), Result::kNotHello)
        << ::testing::PrintToString(extensions);
  }
  EXPECT_EQ(FeedAll(HelloWith({0x99, 0x99, 0, 1, 1})), Result::kWhole);
}

TEST(ClientHelloReader, EveryTruncationOfTheBodyIsRefused) {
  const Bytes hello = UsualHello();
  const absl::Span<const uint8_t> body = absl::MakeConstSpan(hello).subspan(9);
  ASSERT_TRUE(ParseClientHello(body).has_value());
  // The body may end before the extensions; they start after the compression methods.
  const size_t session_id = 2 + 32;
  const size_t ciphers = session_id + 1 + body[session_id];
  const size_t compression = ciphers + 2 + (size_t{body[ciphers]} << 8 | body[ciphers + 1]);
  const size_t extensions = compression + 1 + body[compression];
  for (size_t length = 0; length < body.size(); ++length) {
    EXPECT_EQ(ParseClientHello(body.first(length)).has_value(), length == extensions) << length;
  }
}

// What the reader makes of `bytes` fed in random pieces is what it makes of them at once.
TEST(ClientHelloReader, MutatedHellosAreReadTheSameHoweverTheyAreSplit) {
  std::mt19937 random(20240229);
  const std::vector<Bytes> seeds = {UsualHello(), Refragment(UsualHello(), 30, 1), HelloWith({}),
                                    Text("GET / HTTP/1.1\r\n\r\n")};
  int whole = 0;
  int refused = 0;
  for (int round = 0; round < 20'000; ++round) {
    Bytes bytes = seeds[random() % seeds.size()];
    for (uint32_t i = random() % 4; i > 0; --i) {
      const size_t at = random() % bytes.size();
      switch (random() % 4) {
        case 0:
          bytes[at] = static_cast<uint8_t>(random());
          break;
        case 1:
          bytes[at] ^= static_cast<uint8_t>(1u << random() % 8);
          break;
        case 2:
          bytes.insert(bytes.begin() + static_cast<ptrdiff_t>(at), static_cast<uint8_t>(random()));
          break;
        default:
          if (bytes.size() > 1) bytes.erase(bytes.begin() + static_cast<ptrdiff_t>(at));
      }
    }
    ClientHelloReader at_once;
    const Result expected = at_once.Feed(bytes);
    ClientHelloReader split;
    Result result = Result::kNeedMore;
    for (size_t at = 0; at < bytes.size() && result == Result::kNeedMore;) {
      const size_t piece = std::min<size_t>(1 + random() % 60, bytes.size() - at);
      result = split.Feed(absl::MakeConstSpan(bytes).subspan(at, piece));
      at += piece;
    }
    ASSERT_EQ(result, expected) << round;
    whole += result == Result::kWhole;
    refused += result == Result::kNotHello;
    if (result == Result::kWhole) {
      ASSERT_EQ(split.hello().server_name, at_once.hello().server_name);
      ASSERT_EQ(split.hello().alpn, at_once.hello().alpn);
      ASSERT_EQ(split.hello().cipher_suites, at_once.hello().cipher_suites);
    }
  }
  EXPECT_GT(whole, 1000);
  EXPECT_GT(refused, 1000);
}

TEST(AlertRecord, IsReadByAClientAsAFatalAlert) {
  testing::MemoryClient client(TLS1_3_VERSION);
  const auto record = AlertRecord(SSL_AD_UNRECOGNIZED_NAME);
  client.Receive(std::string(record.begin(), record.end()));
  EXPECT_EQ(client.alert_received(), SSL_AD_UNRECOGNIZED_NAME);
}

}  // namespace
}  // namespace tlsbridge::tls
