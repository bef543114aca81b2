#include "tls/certificates/asn1_time.h"

#include <openssl/asn1.h>
#include <openssl/x509.h>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"

namespace tlsbridge::tls {

absl::Time ToTime(const ASN1_TIME* asn1) {
  int days = 0;
  int seconds = 0;
  bssl::UniquePtr<ASN1_TIME> epoch(ASN1_TIME_set(nullptr, 0));
  if (ASN1_TIME_diff(&days, &seconds, epoch.get(), asn1) != 1) return absl::InfinitePast();
  return absl::UnixEpoch() + absl::Hours(24) * days + absl::Seconds(seconds);
}

absl::Time CertificateClock() {
  const bssl::UniquePtr<ASN1_TIME> now(X509_gmtime_adj(nullptr, 0));
  return ToTime(now.get());
}

absl::Time ParseGeneralizedTime(absl::string_view text) {
  constexpr size_t kLength = 15;
  if (text.size() != kLength || text.back() != 'Z') return absl::InfinitePast();
  for (const char c : text.substr(0, kLength - 1)) {
    if (!absl::ascii_isdigit(static_cast<unsigned char>(c))) return absl::InfinitePast();
  }
  const auto number = [text](size_t at, size_t digits) {
    int value = 0;
    return absl::SimpleAtoi(text.substr(at, digits), &value) ? value : -1;
  };
  const absl::CivilSecond second(number(0, 4), number(4, 2), number(6, 2), number(8, 2),
                                 number(10, 2), number(12, 2));
  // A civil time of absl's is normalised: the 31st of February has become a day of March.
  if (second.month() != number(4, 2) || second.day() != number(6, 2) ||
      second.hour() != number(8, 2) || second.minute() != number(10, 2) ||
      second.second() != number(12, 2)) {
    return absl::InfinitePast();
  }
  return absl::FromCivil(second, absl::UTCTimeZone());
}

std::string FormatUtc(absl::Time time) {
  return absl::FormatTime("%Y-%m-%d %H:%M:%S UTC", time, absl::UTCTimeZone());
}

}  // namespace tlsbridge::tls
