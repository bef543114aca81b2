// A gibibyte each way, streamed, so that neither end holds it. Under the sanitizers, which make the
// program ten times slower, an eighth of it.

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/e2e/harness/payload.h"
#include "tests/e2e/harness/tcp_backend.h"
#include "tests/e2e/harness/tlsbridge_test.h"
#include "tests/e2e/harness/unique_fd.h"
#include "tests/e2e/support/curl.h"

namespace tlsbridge::e2e {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr size_t kBytes = size_t{128} << 20;
#else
constexpr size_t kBytes = size_t{1} << 30;
#endif
constexpr size_t kBlockBytes = size_t{1} << 20;
constexpr absl::Duration kLong = absl::Minutes(4);

// The n-th mebibyte: the same bytes each time but for a number in front.
class Blocks {
 public:
  const std::string& Get(uint64_t n) {
    std::memcpy(block_.data(), &n, sizeof(n));
    return block_;
  }

 private:
  std::string block_ = Payload(kBlockBytes);
};

// A checksum that depends on the order and takes eight bytes at a time, however they arrive.
class StreamChecksum {
 public:
  void Add(absl::string_view bytes) {
    bytes_ += bytes.size();
    if (!rest_.empty()) {
      const size_t missing = std::min(sizeof(uint64_t) - rest_.size(), bytes.size());
      rest_.append(bytes.data(), missing);
      bytes.remove_prefix(missing);
      if (rest_.size() < sizeof(uint64_t)) return;
      Mix(rest_.data());
      rest_.clear();
    }
    for (; bytes.size() >= sizeof(uint64_t); bytes.remove_prefix(sizeof(uint64_t))) {
      Mix(bytes.data());
    }
    rest_.assign(bytes.data(), bytes.size());
  }
  std::string Text() const { return absl::StrCat(absl::Hex(hash_), " over ", bytes_, " bytes"); }

 private:
  void Mix(const char* eight_bytes) {
    uint64_t word;
    std::memcpy(&word, eight_bytes, sizeof(word));
    hash_ = (hash_ ^ word) * 0x9e3779b97f4a7c15;
    hash_ ^= hash_ >> 29;
  }

  uint64_t hash_ = 0;
  size_t bytes_ = 0;
  std::string rest_;
};

std::string ExpectedChecksum() {
  Blocks blocks;
  StreamChecksum checksum;
  for (uint64_t n = 0; n < kBytes / kBlockBytes; ++n) checksum.Add(blocks.Get(n));
  return checksum.Text();
}

class BulkTransferTest : public TlsbridgeTest {
 protected:
  // A write to a pipe that curl has left is an error to return.
  void SetUp() override { signal(SIGPIPE, SIG_IGN); }

  // A pipe with a name, for curl to write to or to read from.
  std::string MakePipe() {
    const std::string path = dir().PathOf("pipe");
    EXPECT_EQ(mkfifo(path.c_str(), 0600), 0);
    return path;
  }
  // The end of whoever still waits for curl to open the pipe.
  static void Unblock(const std::string& pipe) {
    const UniqueFd both_ends(open(pipe.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
  }
};

TEST_F(BulkTransferTest, AGibibyteToTheClientArrivesUnchanged) {
  TcpBackend backend([](Socket& connection) {
    connection.set_timeout(kLong);
    if (!connection.ReadUntil("\r\n\r\n").ok()) return;
    (void)connection.Write(absl::StrCat("HTTP/1.1 200 OK\r\nContent-Length: ", kBytes, "\r\n\r\n"));
    Blocks blocks;
    for (uint64_t n = 0; n < kBytes / kBlockBytes; ++n) {
      if (!connection.Write(blocks.Get(n)).ok()) return;
    }
    (void)connection.ReadToEnd();
  });
  ASSERT_NO_FATAL_FAILURE(StartSidecar(backend.address()));
  const std::string pipe = MakePipe();
  StreamChecksum received;
  std::thread reader([&pipe, &received] {
    const UniqueFd fd(open(pipe.c_str(), O_RDONLY | O_CLOEXEC));
    std::string buffer(kBlockBytes, '\0');
    ssize_t size;
    while ((size = read(fd.get(), buffer.data(), buffer.size())) > 0) {
      received.Add(absl::string_view(buffer.data(), static_cast<size_t>(size)));
    }
  });
  const CurlResult result = Curl(certificates().authority_certificate(),
                                 {"--output", pipe, UrlOf(tlsbridge(), "/")}, kLong);
  Unblock(pipe);
  reader.join();
  ASSERT_EQ(result.exit_code, 0) << result.error;
  EXPECT_EQ(received.Text(), ExpectedChecksum());
}

TEST_F(BulkTransferTest, AGibibyteToTheBackendArrivesUnchanged) {
  TcpBackend backend([](Socket& connection) {
    connection.set_timeout(kLong);
    if (!connection.ReadUntil("\r\n\r\n").ok()) return;
    StreamChecksum received;
    for (size_t left = kBytes; left > 0;) {
      const auto part = connection.ReadSome(std::min(left, kBlockBytes));
      if (!part.ok() || part->empty()) return;
      received.Add(*part);
      left -= part->size();
    }
    const std::string text = received.Text();
    (void)connection.Write(
        absl::StrCat("HTTP/1.1 200 OK\r\nContent-Length: ", text.size(), "\r\n\r\n", text));
    (void)connection.ReadToEnd();
  });
  ASSERT_NO_FATAL_FAILURE(StartSidecar(backend.address()));
  const std::string pipe = MakePipe();
  std::thread writer([&pipe] {
    Blocks blocks;
    const UniqueFd fd(open(pipe.c_str(), O_WRONLY | O_CLOEXEC));
    for (uint64_t n = 0; n < kBytes / kBlockBytes; ++n) {
      const std::string& block = blocks.Get(n);
      for (size_t at = 0; at < block.size();) {
        const ssize_t size = write(fd.get(), block.data() + at, block.size() - at);
        if (size <= 0) return;
        at += static_cast<size_t>(size);
      }
    }
  });
  // The length is given by hand, since curl would send a pipe in chunks.
  const CurlResult result =
      Curl(certificates().authority_certificate(),
           {"--upload-file", pipe, "--header", absl::StrCat("Content-Length: ", kBytes), "--header",
            "Transfer-Encoding:", "--header", "Expect:", UrlOf(tlsbridge(), "/upload")},
           kLong);
  Unblock(pipe);
  writer.join();
  ASSERT_EQ(result.exit_code, 0) << result.error;
  EXPECT_EQ(result.body, ExpectedChecksum());
}

}  // namespace
}  // namespace tlsbridge::e2e
