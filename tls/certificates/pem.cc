#include "tls/certificates/pem.h"

#include <openssl/base64.h>
#include <openssl/mem.h>

#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "tls/certificates/foreign_format.h"

namespace tlsbridge::tls {
namespace {

constexpr absl::string_view kBegin = "-----BEGIN ";
constexpr absl::string_view kEnd = "-----END ";
constexpr absl::string_view kDashes = "-----";
constexpr size_t kMaxLabelBytes = 40;
constexpr absl::string_view kByteOrderMark = "\xef\xbb\xbf";

constexpr struct {
  absl::string_view label;
  PemKind kind;
} kLabels[] = {
    {"CERTIFICATE", PemKind::kCertificate},
    {"X509 CERTIFICATE", PemKind::kCertificate},
    {"X509 CRL", PemKind::kCrl},
    {"PRIVATE KEY", PemKind::kPkcs8Key},
    {"RSA PRIVATE KEY", PemKind::kRsaKey},
    {"EC PRIVATE KEY", PemKind::kEcKey},
    {"EC PARAMETERS", PemKind::kOther},
    {"DH PARAMETERS", PemKind::kOther},
    {"PUBLIC KEY", PemKind::kOther},
    {"RSA PUBLIC KEY", PemKind::kOther},
};

// A text's lines, whichever way they end, without marks and white space around them.
class Lines {
 public:
  explicit Lines(absl::string_view text) : rest_(text) {}

  bool Next(absl::string_view* line) {
    if (rest_.empty()) return false;
    ++number_;
    const size_t end = rest_.find_first_of("\r\n");
    *line = rest_.substr(0, end);
    rest_.remove_prefix(end == absl::string_view::npos ? rest_.size() : end);
    if (!absl::ConsumePrefix(&rest_, "\r\n") && !rest_.empty()) rest_.remove_prefix(1);
    absl::ConsumePrefix(line, kByteOrderMark);
    *line = absl::StripAsciiWhitespace(*line);
    return true;
  }
  size_t number() const { return number_; }

 private:
  absl::string_view rest_;
  size_t number_ = 0;
};

// The label of "-----BEGIN LABEL-----"; false for any other line.
bool TakeEdge(absl::string_view line, absl::string_view edge, absl::string_view* label) {
  if (!absl::ConsumePrefix(&line, edge) || !absl::ConsumeSuffix(&line, kDashes)) return false;
  *label = line;
  // Messages repeat labels, which must not be half a key for want of a line break.
  return !line.empty() && line.size() <= kMaxLabelBytes &&
         line.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 #.") ==
             absl::string_view::npos;
}

bool HasDash(absl::string_view line) {
  // The latter are what word processors make of the former.
  return absl::StrContains(line, "--") || absl::StrContains(line, "\xe2\x80\x93") ||
         absl::StrContains(line, "\xe2\x80\x94");
}

// Whether somebody meant a block to begin or to end here: "---begin certificate", "- BEGIN RSA
// ...".
bool LooksLikeEdge(absl::string_view line) {
  if (absl::StrContains(line, kBegin) || absl::StrContains(line, kEnd)) return true;
  if (!HasDash(line)) return false;
  constexpr absl::string_view kBeginnings[] = {"CERT",  "X509",    "RSA",     "EC ",   "DSA",
                                               "PRIVA", "ENCRYPT", "TRUSTED", "PKCS7", "CMS"};
  const std::string upper = absl::AsciiStrToUpper(line);
  for (const absl::string_view word : {"BEGIN ", "END "}) {
    const size_t at = upper.find(word.data(), 0, word.size());
    if (at == std::string::npos || (at > 0 && absl::ascii_isalpha(upper[at - 1]))) continue;
    const absl::string_view label =
        absl::StripLeadingAsciiWhitespace(absl::string_view(upper).substr(at + word.size()));
    for (const absl::string_view beginning : kBeginnings) {
      if (absl::StartsWith(label, beginning)) return true;
    }
  }
  return false;
}

class Parser {
 public:
  Parser(absl::string_view text, absl::string_view name) : lines_(text), name_(name) {}

  absl::StatusOr<std::vector<PemBlock>> Run() {
    std::vector<PemBlock> blocks;
    absl::string_view line;
    while (lines_.Next(&line)) {
      absl::string_view label;
      if (TakeEdge(line, kBegin, &label)) {
        auto block = TakeBlock(label);
        if (!block.ok()) return block.status();
        blocks.push_back(*std::move(block));
      } else if (LooksLikeEdge(line)) {
        return Refuse(
            lines_.number(),
            "looks like a malformed PEM boundary: write '-----BEGIN CERTIFICATE-----', or what it "
            "is, on a line of its own, with a matching END line, or delete the line");
      }
    }
    return blocks;
  }

 private:
  absl::Status Refuse(size_t line, absl::string_view what) const {
    return absl::InvalidArgumentError(absl::StrCat(name_, ":", line, ": ", what));
  }

  absl::StatusOr<PemBlock> TakeBlock(absl::string_view label) {
    PemBlock block;
    block.line = lines_.number();
    if (const std::string foreign = ForeignBlock(label, name_); !foreign.empty()) {
      return Refuse(block.line, foreign);
    }
    const auto* known = std::begin(kLabels);
    while (known != std::end(kLabels) && known->label != label) ++known;
    if (known == std::end(kLabels)) {
      return Refuse(block.line, absl::StrCat("unexpected PEM block '", label, "'; delete it"));
    }
    block.kind = known->kind;
    std::string base64;
    absl::Cleanup wipe = [&base64] { OPENSSL_cleanse(base64.data(), base64.size()); };
    base64.reserve(kMostBase64);  // so that growing leaves no copy behind
    absl::string_view line;
    while (true) {
      if (!lines_.Next(&line)) {
        return Refuse(block.line, absl::StrCat("the block that begins here has no line '", kEnd,
                                               label, kDashes, "'"));
      }
      absl::string_view end;
      if (TakeEdge(line, kEnd, &end)) {
        if (end == label) break;
        return Refuse(lines_.number(),
                      absl::StrCat("'", label, "' of line ", block.line, " ends as '", end, "'"));
      }
      if (LooksLikeEdge(line)) {
        return Refuse(lines_.number(), absl::StrCat("the block of line ", block.line,
                                                    " has not ended; is a line break missing?"));
      }
      // RFC 1421 section 4.6, as OpenSSL writes it for old keys.
      if (absl::StrContains(line, ':')) {
        if (absl::StrContains(line, "ENCRYPTED")) {
          return Refuse(block.line, ForeignBlock("ENCRYPTED PRIVATE KEY", name_));
        }
        continue;
      }
      for (const char c : line) {
        if (!absl::ascii_isspace(static_cast<unsigned char>(c))) base64.push_back(c);
      }
    }
    return Decode(base64, std::move(block));
  }

  absl::StatusOr<PemBlock> Decode(const std::string& base64, PemBlock block) const {
    size_t length = 0;
    const auto* in = reinterpret_cast<const uint8_t*>(base64.data());
    if (base64.empty() || EVP_DecodedLength(&length, base64.size()) != 1) {
      return Refuse(block.line, "the block that begins here is not base64, or cut short");
    }
    block.der.resize(length);
    if (EVP_DecodeBase64(block.der.data(), &length, length, in, base64.size()) != 1) {
      return Refuse(block.line, "the block that begins here is not base64");
    }
    block.der.resize(length);
    return block;
  }

  // Of keys; others may well be copied.
  static constexpr size_t kMostBase64 = 32 * 1024;

  Lines lines_;
  const absl::string_view name_;
};

}  // namespace

PemBlock::~PemBlock() { OPENSSL_cleanse(der.data(), der.size()); }

absl::StatusOr<std::vector<PemBlock>> ParsePem(absl::string_view text, absl::string_view name) {
  absl::ConsumePrefix(&text, kByteOrderMark);
  auto blocks = Parser(text, name).Run();
  if (!blocks.ok() || !blocks->empty()) return blocks;
  const std::string foreign = ForeignFile(text, name);
  if (foreign.empty()) return blocks;
  return absl::InvalidArgumentError(absl::StrCat(name, ": ", foreign));
}

}  // namespace tlsbridge::tls
