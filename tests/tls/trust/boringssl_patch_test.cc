// Proves that our patch for CVE-2023-0286 is in the BoringSSL that we link: the x400Address of a
// GeneralName is an ASN1_STRING that unpatched code compares as an ASN1_TYPE, following a length
// as if it were a pointer. Two such names come from a peer's certificate and CRL.

#include <openssl/x509v3.h>

#include <cstdint>
#include <vector>

#include "gtest/gtest.h"

namespace tlsbridge {
namespace {

// GeneralName ::= CHOICE { ... x400Address [3] ORAddress ... }, with `content` kept as it is.
bssl::UniquePtr<GENERAL_NAME> X400Address(const std::vector<uint8_t>& content) {
  std::vector<uint8_t> der = {0xa3, static_cast<uint8_t>(content.size())};
  der.insert(der.end(), content.begin(), content.end());
  const uint8_t* next = der.data();
  return bssl::UniquePtr<GENERAL_NAME>(
      d2i_GENERAL_NAME(nullptr, &next, static_cast<long>(der.size())));
}

class BoringSslPatchTest : public testing::Test {
 protected:
  // An empty SEQUENCE is the first part of an ORAddress; what follows only has to differ.
  const bssl::UniquePtr<GENERAL_NAME> name_ = X400Address({0x30, 0x00, 0x02, 0x01, 0x01});
  const bssl::UniquePtr<GENERAL_NAME> same_ = X400Address({0x30, 0x00, 0x02, 0x01, 0x01});
  const bssl::UniquePtr<GENERAL_NAME> other_ = X400Address({0x30, 0x00, 0x02, 0x01, 0x02});
  const bssl::UniquePtr<GENERAL_NAME> longer_ = X400Address({0x30, 0x00, 0x02, 0x02, 0x01, 0x01});
};

TEST_F(BoringSslPatchTest, EqualX400AddressesCompareEqual) {
  ASSERT_TRUE(name_ && same_);
  ASSERT_EQ(name_->type, GEN_X400);
  EXPECT_EQ(GENERAL_NAME_cmp(name_.get(), same_.get()), 0);
}

TEST_F(BoringSslPatchTest, DifferentX400AddressesCompareUnequal) {
  ASSERT_TRUE(name_ && other_ && longer_);
  EXPECT_NE(GENERAL_NAME_cmp(name_.get(), other_.get()), 0);
  EXPECT_NE(GENERAL_NAME_cmp(name_.get(), longer_.get()), 0);
}

TEST_F(BoringSslPatchTest, X400AddressNamesAnotherEntityThanNullDoes) {
  ASSERT_TRUE(name_);
  EXPECT_NE(GENERAL_NAME_cmp(name_.get(), nullptr), 0);
}

}  // namespace
}  // namespace tlsbridge
