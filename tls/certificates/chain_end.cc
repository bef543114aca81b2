#include "tls/certificates/chain_end.h"

#include <openssl/err.h>
#include <openssl/obj.h>
#include <openssl/pool.h>
#include <openssl/x509.h>

#include <algorithm>

#include "tls/certificates/distinguished_name.h"

namespace tlsbridge::tls {
namespace {

// RFC 5280, section 4.2.2.1.
std::string IssuerUrl(const X509* certificate) {
  bssl::UniquePtr<AUTHORITY_INFO_ACCESS> access(static_cast<AUTHORITY_INFO_ACCESS*>(
      X509_get_ext_d2i(certificate, NID_info_access, nullptr, nullptr)));
  if (access == nullptr) return "";
  for (const ACCESS_DESCRIPTION* entry : access.get()) {
    if (OBJ_obj2nid(entry->method) != NID_ad_ca_issuers || entry->location->type != GEN_URI) {
      continue;
    }
    const ASN1_IA5STRING* url = entry->location->d.uniformResourceIdentifier;
    return std::string(reinterpret_cast<const char*>(ASN1_STRING_get0_data(url)),
                       static_cast<size_t>(ASN1_STRING_length(url)));
  }
  return "";
}

}  // namespace

ChainEnd EndOfChain(const Credential& credential,
                    absl::Span<const bssl::UniquePtr<X509>> known_cas) {
  ChainEnd end;
  end.certificates = credential.chain.size();
  bssl::UniquePtr<X509> leaf(X509_parse_from_buffer(credential.chain.front().get()));
  end.leaf_has_names =
      leaf != nullptr && X509_get_ext_by_NID(leaf.get(), NID_subject_alt_name, -1) >= 0;
  bssl::UniquePtr<X509> last(X509_parse_from_buffer(credential.chain.back().get()));
  if (last != nullptr) {
    const X509_NAME* const issuer = X509_get_issuer_name(last.get());
    end.self_signed = SameName(issuer, X509_get_subject_name(last.get()));
    end.issuer = DistinguishedName(issuer);
    end.issuer_url = IssuerUrl(last.get());
    end.issuer_is_known = std::any_of(known_cas.begin(), known_cas.end(), [issuer](const auto& ca) {
      return SameName(issuer, X509_get_subject_name(ca.get()));
    });
  }
  ERR_clear_error();
  return end;
}

}  // namespace tlsbridge::tls
