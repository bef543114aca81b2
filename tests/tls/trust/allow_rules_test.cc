#include "tls/trust/allow_rules.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/tls/test_certificates.h"
#include "tls/certificates/peer_identity.h"

namespace tlsbridge::tls {
namespace {

std::string MatchedBy(const std::vector<std::string>& rules, const PeerIdentity& identity) {
  const auto parsed = AllowRules::Parse(rules);
  EXPECT_TRUE(parsed.ok()) << parsed.status();
  const absl::string_view rule = parsed->Find(identity).rule;
  return std::string(rule.data(), rule.size());
}

TEST(AllowRulesTest, ReadsEveryNameOfACertificate) {
  const auto made = testing::MakeCertificate(
      {.common_name = "orders",
       .organizational_unit = "payments",
       .alternative_names = "DNS:Orders.Internal,IP:10.0.0.7,IP:::1,URI:spiffe://prod/ns/a/sa/api"},
      nullptr);
  const PeerIdentity identity = IdentityOf(made.certificate.get());
  EXPECT_EQ(identity.common_name, "orders");
  EXPECT_EQ(identity.organizational_units, std::vector<std::string>{"payments"});
  EXPECT_EQ(identity.dns_names, std::vector<std::string>{"orders.internal"});
  EXPECT_EQ(identity.ip_addresses, (std::vector<std::string>{"10.0.0.7", "::1"}));
  EXPECT_EQ(identity.uris, std::vector<std::string>{"spiffe://prod/ns/a/sa/api"});
  EXPECT_EQ(identity.spki_sha256.size(), 44u);
  EXPECT_EQ(identity.Display(), "spiffe://prod/ns/a/sa/api");
}

TEST(AllowRulesTest, ACertificateWithoutNamesHasNone) {
  const auto made = testing::MakeCertificate({.common_name = ""}, nullptr);
  const PeerIdentity identity = IdentityOf(made.certificate.get());
  EXPECT_EQ(identity.common_name, "");
  EXPECT_EQ(identity.Display(), "");
  EXPECT_EQ(MatchedBy({"cn:orders", "dns:*.internal", "uri:spiffe://prod/**"}, identity), "");
}

TEST(AllowRulesTest, EachKindMatchesItsOwnNamesOnly) {
  PeerIdentity identity;
  identity.common_name = "orders";
  identity.organizational_units = {"payments", "backend"};
  identity.dns_names = {"orders.internal"};
  identity.ip_addresses = {"10.0.0.7"};
  identity.uris = {"spiffe://prod/ns/a/sa/api"};
  identity.spki_sha256 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
  for (const char* rule :
       {"cn:orders", "ou:backend", "dns:orders.internal", "dns:ORDERS.internal", "dns:*.internal",
        "ip:10.0.0.7", "uri:spiffe://prod/ns/a/sa/api", "uri:spiffe://prod/**",
        "spki:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="}) {
    EXPECT_EQ(MatchedBy({rule}, identity), rule);
  }
  for (const char* rule :
       {"cn:Orders", "cn:orders.internal", "ou:orders", "dns:internal", "dns:*.orders.internal",
        "dns:orders", "ip:10.0.0.8", "uri:spiffe://prod/ns/a/sa", "uri:spiffe://test/**",
        "spki:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}) {
    EXPECT_EQ(MatchedBy({rule}, identity), "") << rule;
  }
}

TEST(AllowRulesTest, AnyRuleSufficesAndTheFirstIsNamed) {
  PeerIdentity identity;
  identity.common_name = "orders";
  EXPECT_EQ(MatchedBy({"cn:other", "cn:orders", "cn:orders"}, identity), "cn:orders");
}

TEST(AllowRulesTest, IpAddressesAreComparedAsAddresses) {
  PeerIdentity identity;
  identity.ip_addresses = {"2001:db8::1"};
  EXPECT_EQ(MatchedBy({"ip:2001:0DB8:0:0::1"}, identity), "ip:2001:0DB8:0:0::1");
}

TEST(AllowRulesTest, AStarStaysWithinItsSegment) {
  EXPECT_TRUE(UriMatches("spiffe://prod/ns/*/sa/api", "spiffe://prod/ns/orders/sa/api"));
  EXPECT_FALSE(UriMatches("spiffe://prod/ns/*/sa/api", "spiffe://prod/ns/a/b/sa/api"));
  EXPECT_FALSE(UriMatches("spiffe://prod/ns/*/sa/api", "spiffe://prod/ns//sa/api"));
  EXPECT_TRUE(UriMatches("spiffe://prod/api-*", "spiffe://prod/api-7"));
  EXPECT_FALSE(UriMatches("spiffe://prod/api-*", "spiffe://prod/api-"));
  EXPECT_TRUE(UriMatches("spiffe://prod/a*b*c", "spiffe://prod/axxbyyc"));
  EXPECT_FALSE(UriMatches("spiffe://prod/a*b*c", "spiffe://prod/abc"));
}

TEST(AllowRulesTest, ManyStarsAgainstALongSegmentDoNotTakeForEver) {
  // Trying every share of every star would take longer than the age of the universe.
  const std::string stars = "spiffe://prod/*a*a*a*a*a*a*a*a*a*a*b";
  EXPECT_FALSE(UriMatches(stars, "spiffe://prod/" + std::string(30'000, 'a')));
  EXPECT_TRUE(UriMatches(stars, "spiffe://prod/" + std::string(30'000, 'a') + "b"));
}

TEST(AllowRulesTest, EveryStarNeedsACharacterOfItsOwn) {
  EXPECT_TRUE(UriMatches("spiffe://prod/**", "spiffe://prod/x"));
  EXPECT_TRUE(UriMatches("spiffe://prod/a*a", "spiffe://prod/aaa"));
  EXPECT_FALSE(UriMatches("spiffe://prod/a*a", "spiffe://prod/aa"));
  EXPECT_TRUE(UriMatches("spiffe://prod/*ab", "spiffe://prod/abab"));
  EXPECT_TRUE(UriMatches("spiffe://prod/*ab*", "spiffe://prod/xababx"));
  EXPECT_FALSE(UriMatches("spiffe://prod/*", "spiffe://prod/"));
}

TEST(AllowRulesTest, NamesWithControlCharactersAreNoNames) {
  const auto made = testing::MakeCertificate(
      {.common_name = "or\nders", .alternative_names = "URI:spiffe://prod/a\tb,DNS:fine"}, nullptr);
  const PeerIdentity identity = IdentityOf(made.certificate.get());
  EXPECT_EQ(identity.common_name, "");
  EXPECT_EQ(identity.uris, std::vector<std::string>{});
  EXPECT_EQ(identity.dns_names, std::vector<std::string>{"fine"});
}

TEST(AllowRulesTest, NoMoreNamesThanTheMostAreLookedAt) {
  std::string names = "DNS:first";
  for (size_t i = 1; i < PeerIdentity::kMaxNames; ++i) names += ",DNS:other";
  const auto made = testing::MakeCertificate({.alternative_names = names + ",DNS:late"}, nullptr);
  const PeerIdentity identity = IdentityOf(made.certificate.get());
  EXPECT_EQ(identity.dns_names.size(), PeerIdentity::kMaxNames);
  EXPECT_EQ(MatchedBy({"dns:first"}, identity), "dns:first");
  EXPECT_EQ(MatchedBy({"dns:late"}, identity), "");
}

TEST(AllowRulesTest, WhatARuleMatchesIsWhoItIs) {
  PeerIdentity identity;
  identity.common_name = "orders";
  identity.organizational_units = {"payments"};
  identity.dns_names = {"a.internal", "orders.internal"};
  identity.ip_addresses = {"10.0.0.7", "::1"};
  identity.uris = {"urn://x/admin", "urn://x/orders"};
  identity.uri_count = 2;
  identity.spki_sha256 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
  const struct {
    const char* rule;
    const char* name;
  } kCases[] = {
      {"cn:orders", "orders"}, {"dns:orders.internal", "orders.internal"},
      {"ip:::1", "::1"},       {"uri:urn://x/orders", "urn://x/orders"},
      {"ou:payments", ""},     {"spki:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", ""},
  };
  for (const auto& c : kCases) {
    const auto rules = AllowRules::Parse({c.rule});
    ASSERT_TRUE(rules.ok());
    const AllowRules::Match match = rules->Find(identity);
    EXPECT_EQ(match.rule, c.rule);
    EXPECT_EQ(match.name, c.name) << c.rule;
    EXPECT_EQ(match.is_uri, absl::string_view(c.rule).substr(0, 4) == "uri:");
  }
}

TEST(AllowRulesTest, ASpiffeIdMustBeTheOnlyUri) {
  const auto made = testing::MakeCertificate(
      {.common_name = "orders",
       .alternative_names = "URI:spiffe://prod/admin,URI:spiffe://prod/orders"},
      nullptr);
  const PeerIdentity identity = IdentityOf(made.certificate.get());
  const auto rules = AllowRules::Parse({"uri:spiffe://prod/orders"});
  const AllowRules::Match match = rules->Find(identity);
  EXPECT_EQ(match.rule, "");
  EXPECT_TRUE(match.several_uris);
  EXPECT_FALSE(rules->Explain(identity).front().matches);
  EXPECT_FALSE(AllowRules::Parse({"uri:spiffe://other/x"})->Find(identity).several_uris);
  EXPECT_EQ(MatchedBy({"uri:spiffe://prod/orders", "cn:orders"}, identity), "cn:orders");
}

TEST(AllowRulesTest, AUriThatIsLeftOutCountsForASpiffeId) {
  std::string names = "URI:spiffe://prod/orders,URI:urn:a\tb";
  const auto control = testing::MakeCertificate({.alternative_names = names}, nullptr);
  EXPECT_EQ(MatchedBy({"uri:spiffe://prod/orders"}, IdentityOf(control.certificate.get())), "");
  names = "URI:spiffe://prod/orders";
  for (size_t i = 0; i < PeerIdentity::kMaxNames; ++i) names += ",DNS:n" + std::to_string(i);
  const auto late = testing::MakeCertificate({.alternative_names = names + ",URI:urn:x"}, nullptr);
  EXPECT_EQ(MatchedBy({"uri:spiffe://prod/orders"}, IdentityOf(late.certificate.get())), "");
}

TEST(AllowRulesTest, WhatIsWrittenInAnotherWayMatchesAllTheSame) {
  PeerIdentity identity;
  identity.dns_names = {"orders.internal"};
  identity.spki_sha256 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
  for (const char* rule : {
           "spki:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU",
           "spki: 47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n",
           "spki:47DEQpj8HBSa+/TImW+5JCeu QeRkm5NMpJWZG3hSuFU=",
           "dns:Orders.Internal.",
           "dns:*.internal.",
       }) {
    EXPECT_EQ(MatchedBy({rule}, identity), rule);
  }
}

TEST(AllowRulesTest, WhatCanMatchNoCertificateIsRefused) {
  for (const char* rule :
       {"dns:.internal", "dns:a..b", "dns:*.", "dns:.", "dns:b\xc3\xbc.internal", "dns:a b",
        "dns: a.internal", "cn: orders", "cn:orders ", "ou:a\t", "uri: spiffe://a/b",
        "uri:SPIFFE://prod/a", "uri:spiffe://Prod/a", "ip:10.0.0.7 "}) {
    EXPECT_FALSE(AllowRules::Parse({rule}).ok()) << rule;
  }
  EXPECT_TRUE(AllowRules::Parse({"uri:spiffe://prod/Upper"}).ok());
}

TEST(AllowRulesTest, ExplainsEachRule) {
  PeerIdentity identity;
  identity.common_name = "orders";
  const auto outcomes = AllowRules::Parse({"cn:other", "cn:orders"})->Explain(identity);
  ASSERT_EQ(outcomes.size(), 2u);
  EXPECT_EQ(outcomes[0].rule, "cn:other");
  EXPECT_FALSE(outcomes[0].matches);
  EXPECT_TRUE(outcomes[1].matches);
}

TEST(UriMatches, TakesNoLongerForManyStars) {
  std::string pattern = "spiffe://prod/";
  for (int i = 0; i < 30; ++i) pattern += "*a";
  const std::string uri = "spiffe://prod/" + std::string(1900, 'a');
  EXPECT_TRUE(UriMatches(pattern, uri));
  EXPECT_FALSE(UriMatches(pattern + "*b", uri));
}

TEST(UriMatches, LetsEachStarStandForMoreThanTheLeast) {
  EXPECT_TRUE(UriMatches("spiffe://prod/*a*a", "spiffe://prod/xaaaxa"));
  EXPECT_TRUE(UriMatches("spiffe://prod/*ab*", "spiffe://prod/ababx"));
  EXPECT_FALSE(UriMatches("spiffe://prod/*ab*ab", "spiffe://prod/xabab"));
  EXPECT_FALSE(UriMatches("spiffe://prod/a*a", "spiffe://prod/aa"));
}

TEST(AllowRulesTest, ALastDoubleStarIsEverythingBelowAndNotTheFolderItself) {
  EXPECT_TRUE(UriMatches("spiffe://prod/ns/**", "spiffe://prod/ns/a"));
  EXPECT_TRUE(UriMatches("spiffe://prod/ns/**", "spiffe://prod/ns/a/b/c"));
  EXPECT_FALSE(UriMatches("spiffe://prod/ns/**", "spiffe://prod/ns"));
  EXPECT_FALSE(UriMatches("spiffe://prod/**", "spiffe://production/ns"));
}

TEST(AllowRulesTest, SaysWhatIsWrongWithARule) {
  const auto message = [](const std::string& rule) {
    return std::string(AllowRules::Parse({rule}).status().message());
  };
  EXPECT_EQ(message("orders"), "rule 'orders': missing pattern");
  EXPECT_EQ(message("cn:"), "rule 'cn:': missing pattern");
  EXPECT_EQ(message("who:x"), "rule 'who:x': must begin with cn:, ou:, dns:, ip:, uri: or spki:");
  EXPECT_EQ(message("spiffe://prod/api"),
            "rule 'spiffe://prod/api': must begin with cn:, ou:, dns:, ip:, uri: or spki: (did you "
            "mean 'uri:spiffe://prod/api'?)");
  EXPECT_EQ(message("ip:10.0.0"), "rule 'ip:10.0.0': not an IP address");
  EXPECT_EQ(message("dns:a.*.b"), "rule 'dns:a.*.b': * is a wildcard in the first label only");
  EXPECT_EQ(message("uri:spiffe:x"), "rule 'uri:spiffe:x': not a URI: it has no ://");
  EXPECT_EQ(message("uri:spiffe://a/**/b"),
            "rule 'uri:spiffe://a/**/b': ** is allowed at the end only, as /**");
  EXPECT_EQ(message("spki:abc"), "rule 'spki:abc': not the base64 of a SHA-256 (44 characters)");
  EXPECT_EQ(message("cn:orders*"),
            "rule 'cn:orders*': names are compared whole: * is not a wildcard here");
  EXPECT_EQ(message("cn:*.orders.internal"), "") << "a wildcard certificate's own name";
  EXPECT_EQ(message("ou:*"), "rule 'ou:*': names are compared whole: * is not a wildcard here");
}

}  // namespace
}  // namespace tlsbridge::tls
