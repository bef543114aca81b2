#include "tls/tickets/ticket_secrets.h"

#include <openssl/digest.h>
#include <openssl/hkdf.h>
#include <openssl/mem.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tls/certificates/pem_file.h"

namespace tlsbridge::tls {
namespace {

using Secret = TicketSecrets::Secret;

constexpr size_t kMinSecretBytes = 32;
constexpr size_t kMaxSecretBytes = 256;
constexpr absl::Duration kMinPeriod = absl::Minutes(1);
constexpr absl::Duration kMaxPeriod = absl::Hours(7 * 24);  // RFC 8446 section 4.6.1

// Secrets of any length become ones of one length.
Secret Condense(absl::string_view bytes) {
  Secret secret;
  SHA256(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(), secret.bytes.data());
  return secret;
}

absl::StatusOr<std::vector<Secret>> ParseKeyFile(absl::string_view text, absl::string_view path) {
  std::vector<Secret> secrets;
  int number = 0;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    ++number;
    line = absl::StripAsciiWhitespace(line);
    if (line.empty() || line.front() == '#') continue;
    std::string bytes;
    absl::Cleanup cleanse = [&bytes] { OPENSSL_cleanse(bytes.data(), bytes.size()); };
    // The line itself is a secret: no message quotes it.
    if (!absl::Base64Unescape(line, &bytes)) {
      return absl::InvalidArgumentError(absl::StrCat(path, ":", number, ": is not base64"));
    }
    if (bytes.size() < kMinSecretBytes || bytes.size() > kMaxSecretBytes) {
      return absl::InvalidArgumentError(absl::StrCat(path, ":", number, ": a ticket key of ",
                                                     bytes.size(), " bytes; it must have ",
                                                     kMinSecretBytes, " to ", kMaxSecretBytes));
    }
    secrets.push_back(Condense(bytes));
    secrets.back().old = secrets.size() > 1;
  }
  if (secrets.empty()) return absl::InvalidArgumentError(absl::StrCat(path, ": holds no key"));
  if (secrets.size() > TicketSecrets::kMaxSecrets) {
    return absl::InvalidArgumentError(absl::StrCat(
        path, ": holds ", secrets.size(), " keys; the maximum is ", TicketSecrets::kMaxSecrets));
  }
  return secrets;
}

absl::StatusOr<std::vector<Secret>> ParseSharedSecret(absl::string_view text,
                                                      absl::string_view path) {
  text = absl::StripTrailingAsciiWhitespace(text);
  if (text.size() < kMinSecretBytes) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": a shared secret of ", text.size(),
                                                   " bytes; the minimum is ", kMinSecretBytes));
  }
  return std::vector<Secret>{Condense(text)};
}

absl::StatusOr<std::vector<Secret>> ReadSecrets(const TicketOptions& options) {
  auto text = ReadPemFile(options.path);
  if (!text.ok()) return text.status();
  absl::Cleanup cleanse = [&text] { OPENSSL_cleanse(text->data(), text->size()); };
  return options.mode == TicketOptions::Mode::kFile ? ParseKeyFile(*text, options.path)
                                                    : ParseSharedSecret(*text, options.path);
}

Secret SecretOfPeriod(const Secret& shared, int64_t period, absl::Duration length) {
  // The length is part of it: replicas that disagree on it share no ticket, and no key either.
  const std::string info =
      absl::StrCat("tlsbridge ticket period ", period, " of ", absl::ToInt64Seconds(length), " s");
  Secret secret;
  HKDF(secret.bytes.data(), secret.bytes.size(), EVP_sha256(), shared.bytes.data(),
       shared.bytes.size(), nullptr, 0, reinterpret_cast<const uint8_t*>(info.data()), info.size());
  return secret;
}

}  // namespace

TicketSecrets::Secret::~Secret() { OPENSSL_cleanse(bytes.data(), bytes.size()); }

TicketSecrets::TicketSecrets(const TicketOptions& options, const Clocks& clocks)
    : options_(options),
      clock_(options.mode == TicketOptions::Mode::kRandom ? clocks.monotonic : clocks.wall) {}

absl::StatusOr<std::shared_ptr<TicketSecrets>> TicketSecrets::Create(const TicketOptions& options,
                                                                     const Clocks& clocks) {
  if (options.period < kMinPeriod || options.period > kMaxPeriod) {
    return absl::InvalidArgumentError(
        absl::StrCat("a ticket period of ", absl::FormatDuration(options.period),
                     " is not between 1m and 168h (RFC 8446 section 4.6.1)"));
  }
  std::shared_ptr<TicketSecrets> made(new TicketSecrets(options, clocks));
  if (absl::Status status = made->Load(); !status.ok()) return status;
  return made;
}

absl::Status TicketSecrets::Load() {
  if (options_.mode != TicketOptions::Mode::kFile &&
      options_.mode != TicketOptions::Mode::kShared) {
    return absl::OkStatus();
  }
  auto secrets = ReadSecrets(options_);
  if (!secrets.ok()) return secrets.status();
  const MutexLock lock(mutex_);
  secrets_ = *std::move(secrets);
  return absl::OkStatus();
}

void TicketSecrets::TakeOver(const TicketSecrets& renewed) {
  std::vector<Secret> secrets;
  {
    const MutexLock lock(renewed.mutex_);
    secrets = renewed.secrets_;
  }
  const MutexLock lock(mutex_);
  secrets_ = std::move(secrets);
  generation_.fetch_add(1, std::memory_order_release);
}

TicketSecrets::Snapshot TicketSecrets::Take(absl::Time now) {
  const MutexLock lock(mutex_);
  Snapshot snapshot;
  switch (options_.mode) {
    case TicketOptions::Mode::kOff:
      break;
    case TicketOptions::Mode::kRandom:
      if (now >= rotates_at_) RotateRandom(now);
      snapshot = {secrets_, absl::InfinitePast(), rotates_at_};
      break;
    case TicketOptions::Mode::kFile:
      snapshot = {secrets_, absl::InfinitePast(), absl::InfiniteFuture()};
      break;
    case TicketOptions::Mode::kShared:
      snapshot = OfPeriod(now);
      break;
  }
  snapshot.generation = generation();
  return snapshot;
}

void TicketSecrets::RotateRandom(absl::Time now) {
  // With nobody to encrypt for, a whole period may have gone by: the last is then too old as well.
  const bool keep_last = !secrets_.empty() && now < rotates_at_ + options_.period;
  std::vector<Secret> next(1);
  RAND_bytes(next.front().bytes.data(), next.front().bytes.size());
  if (keep_last) {
    next.push_back(secrets_.front());
    next.back().old = true;
  }
  secrets_ = std::move(next);
  rotates_at_ = now + options_.period;
}

TicketSecrets::Random TicketSecrets::ExportRandom() {
  const absl::Time now = Now();
  const MutexLock lock(mutex_);
  if (options_.mode != TicketOptions::Mode::kRandom) return {};
  if (now >= rotates_at_) RotateRandom(now);
  return {secrets_, rotates_at_ - now};
}

void TicketSecrets::ImportRandom(const Random& random) {
  const absl::Time now = Now();
  const MutexLock lock(mutex_);
  if (options_.mode != TicketOptions::Mode::kRandom || random.secrets.empty()) return;
  secrets_ = random.secrets;
  // A shorter period, if that is what is wanted now.
  rotates_at_ = now + std::min(random.rotates_in, options_.period);
  generation_.fetch_add(1, std::memory_order_release);
}

TicketSecrets::Snapshot TicketSecrets::OfPeriod(absl::Time now) const {
  const absl::Duration length = options_.period;
  const absl::Duration since = absl::Floor(now - absl::UnixEpoch(), length);
  const int64_t period = since / length;
  Snapshot snapshot;
  for (const int64_t p : {period, period - 1, period + 1}) {
    snapshot.secrets.push_back(SecretOfPeriod(secrets_.front(), p, length));
    snapshot.secrets.back().old = p < period;
  }
  snapshot.from = absl::UnixEpoch() + since;
  snapshot.until = snapshot.from + length;
  return snapshot;
}

}  // namespace tlsbridge::tls
