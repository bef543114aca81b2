#include "tls/hello/protocol_options.h"

#include <openssl/err.h>
#include <openssl/nid.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <iterator>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "tls/out_of_memory.h"

namespace tlsbridge::tls {
namespace {

// Square brackets are BoringSSL's equal-preference groups: the server chooses the group, the
// client's hardware chooses within it.
constexpr char kDefaultCiphers[] =
    "[ECDHE-ECDSA-AES128-GCM-SHA256|ECDHE-ECDSA-CHACHA20-POLY1305]:"
    "[ECDHE-RSA-AES128-GCM-SHA256|ECDHE-RSA-CHACHA20-POLY1305]:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384";

struct Version {
  const char* name;
  uint16_t number;
};
constexpr Version kVersions[] = {{"TLSv1.2", TLS1_2_VERSION}, {"TLSv1.3", TLS1_3_VERSION}};

// In order of preference.
struct Group {
  const char* name;
  bool by_default;
};
constexpr Group kGroups[] = {
    {"X25519MLKEM768", true}, {"X25519", true}, {"P-256", true}, {"P-384", true}, {"P-521", false}};

// In order of preference: what costs the client least first. Without SHA-1 (RFC 9155).
struct Signature {
  const char* name;
  uint16_t number;
};
constexpr Signature kSignatures[] = {
    {"ecdsa_secp256r1_sha256", SSL_SIGN_ECDSA_SECP256R1_SHA256},
    {"rsa_pss_rsae_sha256", SSL_SIGN_RSA_PSS_RSAE_SHA256},
    {"rsa_pkcs1_sha256", SSL_SIGN_RSA_PKCS1_SHA256},
    {"ecdsa_secp384r1_sha384", SSL_SIGN_ECDSA_SECP384R1_SHA384},
    {"rsa_pss_rsae_sha384", SSL_SIGN_RSA_PSS_RSAE_SHA384},
    {"rsa_pkcs1_sha384", SSL_SIGN_RSA_PKCS1_SHA384},
    {"ecdsa_secp521r1_sha512", SSL_SIGN_ECDSA_SECP521R1_SHA512},
    {"rsa_pss_rsae_sha512", SSL_SIGN_RSA_PSS_RSAE_SHA512},
    {"rsa_pkcs1_sha512", SSL_SIGN_RSA_PKCS1_SHA512},
};

absl::Status Refuse(absl::string_view option, absl::string_view what) {
  ERR_clear_error();
  return absl::InvalidArgumentError(absl::StrCat(option, ": ", what));
}

absl::Status NotOneOf(absl::string_view option, absl::string_view name,
                      const std::vector<std::string>& allowed) {
  return Refuse(option,
                absl::StrCat("\"", name, "\" is not one of ", absl::StrJoin(allowed, ", ")));
}

template <typename Table>
std::vector<std::string> NamesIn(const Table& table) {
  std::vector<std::string> names;
  names.reserve(std::size(table));
  for (const auto& entry : table) names.emplace_back(entry.name);
  return names;
}

absl::StatusOr<uint16_t> ParseVersion(absl::string_view option, absl::string_view name,
                                      absl::string_view if_empty) {
  const absl::string_view wanted = name.empty() ? if_empty : name;
  for (const Version& version : kVersions) {
    if (wanted == version.name) return version.number;
  }
  return NotOneOf(option, name, NamesIn(kVersions));
}

// Splits a list and checks that each of it is allowed and comes once.
absl::StatusOr<std::vector<std::string>> ParseList(absl::string_view option, absl::string_view list,
                                                   const std::vector<std::string>& allowed) {
  std::vector<std::string> names = absl::StrSplit(list, ':');
  for (auto it = names.begin(); it != names.end(); ++it) {
    if (std::find(allowed.begin(), allowed.end(), *it) == allowed.end()) {
      return NotOneOf(option, *it, allowed);
    }
    if (std::find(names.begin(), it, *it) != it) {
      return Refuse(option, absl::StrCat("\"", *it, "\" comes twice"));
    }
  }
  return names;
}

absl::Status SetGroups(absl::string_view list, bool every_group, SSL_CTX* ctx) {
  std::vector<std::string> wanted;
  for (const Group& group : kGroups) {
    if (group.by_default || every_group) wanted.emplace_back(group.name);
  }
  if (!list.empty()) {
    auto parsed = ParseList("groups", list, NamesIn(kGroups));
    if (!parsed.ok()) return parsed.status();
    wanted = *std::move(parsed);
  }
  if (SSL_CTX_set1_groups_list(ctx, absl::StrJoin(wanted, ":").c_str()) == 1) {
    return absl::OkStatus();
  }
  return Refuse("groups", "refused by BoringSSL");
}

// All of TLS 1.2 that need no shared key set up beforehand, by both names. The library is asked
// once: a context costs tens of KiB, and all certificates are read again when one changes.
const std::vector<const SSL_CIPHER*>& Tls12Ciphers() {
  static const auto* const known = [] {
    auto* ciphers = new std::vector<const SSL_CIPHER*>;
    bssl::UniquePtr<SSL_CTX> ctx(Made(SSL_CTX_new(TLS_method())));
    SSL_CTX_set_strict_cipher_list(ctx.get(), "ALL");
    const STACK_OF(SSL_CIPHER)* all = SSL_CTX_get_ciphers(ctx.get());
    for (size_t i = 0; i < sk_SSL_CIPHER_num(all); ++i) {
      const SSL_CIPHER* cipher = sk_SSL_CIPHER_value(all, i);
      if (SSL_CIPHER_get_min_version(cipher) <= TLS1_2_VERSION &&
          SSL_CIPHER_get_auth_nid(cipher) != NID_auth_psk) {
        ciphers->push_back(cipher);
      }
    }
    return ciphers;
  }();
  return *known;
}

// RFC 9325 section 4.1 has the others negotiated by nobody.
bool IsForwardSecret(const SSL_CIPHER* cipher) {
  return SSL_CIPHER_get_kx_nid(cipher) == NID_kx_ecdhe;
}

absl::Status CheckCipherNames(absl::string_view list) {
  const std::vector<const SSL_CIPHER*>& ciphers = Tls12Ciphers();
  for (const absl::string_view name :
       absl::StrSplit(list, absl::ByAnyChar(":[|]"), absl::SkipEmpty())) {
    const auto known = std::find_if(ciphers.begin(), ciphers.end(), [name](const SSL_CIPHER* c) {
      return name == SSL_CIPHER_get_name(c) || name == SSL_CIPHER_standard_name(c);
    });
    if (known != ciphers.end() && IsForwardSecret(*known)) continue;
    if (known != ciphers.end()) {
      return Refuse(
          "ciphers",
          absl::StrCat("\"", name,
                       "\" is not forward secret: an attacker who obtains the private key can "
                       "decrypt recorded traffic; use an ECDHE cipher"));
    }
    std::vector<std::string> allowed;
    for (const SSL_CIPHER* cipher : ciphers) {
      if (IsForwardSecret(cipher)) allowed.emplace_back(SSL_CIPHER_get_name(cipher));
    }
    return NotOneOf("ciphers", name, allowed);
  }
  return absl::OkStatus();
}

absl::Status SetCiphers(const std::string& list, SSL_CTX* ctx) {
  if (absl::Status status = CheckCipherNames(list); !status.ok()) return status;
  if (SSL_CTX_set_strict_cipher_list(ctx, list.c_str()) == 1) return absl::OkStatus();
  return Refuse("ciphers", absl::StrCat("\"", list,
                                        "\" cannot be parsed; write a:b, or [a|b]:c where a and b "
                                        "are equal"));
}

}  // namespace

absl::Status ApplyProtocolOptions(const ProtocolOptions& options, SSL_CTX* ctx) {
  const auto min = ParseVersion("min_version", options.min_version, "TLSv1.2");
  if (!min.ok()) return min.status();
  const auto max = ParseVersion("max_version", options.max_version, "TLSv1.3");
  if (!max.ok()) return max.status();
  if (*min > *max) {
    return Refuse("min_version", absl::StrCat(options.min_version, " is above max_version, ",
                                              options.max_version));
  }
  if (!options.ciphers.empty() && *min > TLS1_2_VERSION) {
    return Refuse("ciphers", "are those of TLS 1.2, which min_version excludes");
  }
  if (SSL_CTX_set_min_proto_version(ctx, *min) != 1 ||
      SSL_CTX_set_max_proto_version(ctx, *max) != 1) {
    return Refuse("min_version", "refused by BoringSSL");
  }
  absl::Status status =
      SetCiphers(options.ciphers.empty() ? kDefaultCiphers : options.ciphers, ctx);
  return status.ok() ? SetGroups(options.groups, options.every_group, ctx) : status;
}

absl::StatusOr<std::vector<uint16_t>> ParseSignatureAlgorithms(absl::string_view list) {
  std::vector<std::string> names = NamesIn(kSignatures);
  if (!list.empty()) {
    auto parsed = ParseList("signature_algorithms", list, names);
    if (!parsed.ok()) return parsed.status();
    names = *std::move(parsed);
  }
  std::vector<uint16_t> numbers;
  numbers.reserve(names.size());
  for (const std::string& name : names) {
    numbers.push_back(
        std::find_if(std::begin(kSignatures), std::end(kSignatures), [&name](const Signature& s) {
          return name == s.name;
        })->number);
  }
  return numbers;
}

}  // namespace tlsbridge::tls
