// The curve of most handshakes against the values of RFC 7748: compilers treat its C very
// differently, and its assembly depends on the processor.

#include <openssl/curve25519.h>

#include <algorithm>
#include <array>
#include <string>

#include "absl/strings/escaping.h"
#include "gtest/gtest.h"

namespace tlsbridge {
namespace {

using Key = std::array<uint8_t, 32>;

Key FromHex(const char* hex) {
  const std::string bytes = absl::HexStringToBytes(hex);
  Key key{};
  EXPECT_EQ(bytes.size(), key.size());
  std::copy_n(bytes.begin(), key.size(), key.begin());
  return key;
}

std::string ToHex(const Key& key) {
  return absl::BytesToHexString(std::string(key.begin(), key.end()));
}

Key Multiply(const Key& scalar, const Key& point) {
  Key product;
  EXPECT_EQ(X25519(product.data(), scalar.data(), point.data()), 1);
  return product;
}

TEST(X25519Test, MultipliesAsSection5Point2Says) {
  EXPECT_EQ(
      ToHex(Multiply(FromHex("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4"),
                     FromHex("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c"))),
      "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552");
  EXPECT_EQ(
      ToHex(Multiply(FromHex("4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d"),
                     FromHex("e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493"))),
      "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957");
}

TEST(X25519Test, MultipliesAThousandTimesAsSection5Point2Says) {
  Key scalar = {9};
  Key point = {9};
  for (int i = 1; i <= 1000; ++i) {
    const Key product = Multiply(scalar, point);
    point = scalar;
    scalar = product;
    if (i == 1) {
      ASSERT_EQ(ToHex(scalar), "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079");
    }
  }
  EXPECT_EQ(ToHex(scalar), "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51");
}

TEST(X25519Test, AgreesAsSection6Point1Says) {
  const Key alice = FromHex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
  const Key bob = FromHex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");
  Key from_alice;
  Key from_bob;
  X25519_public_from_private(from_alice.data(), alice.data());
  X25519_public_from_private(from_bob.data(), bob.data());
  EXPECT_EQ(ToHex(from_alice), "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
  EXPECT_EQ(ToHex(from_bob), "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
  const std::string shared = "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742";
  EXPECT_EQ(ToHex(Multiply(alice, from_bob)), shared);
  EXPECT_EQ(ToHex(Multiply(bob, from_alice)), shared);
}

// RFC 7748 section 6.1, and RFC 8446 section 7.4.2, which has such handshakes end.
TEST(X25519Test, ASharedSecretOfZerosIsRefused) {
  const Key scalar = {7};
  const Key zero = {};
  Key product;
  EXPECT_EQ(X25519(product.data(), scalar.data(), zero.data()), 0);
}

}  // namespace
}  // namespace tlsbridge
