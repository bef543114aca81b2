// The one reader of PEM (RFC 7468), for certificates, CAs, CRLs and keys alike. Nothing that looks
// like a block is passed over: a file of which half is ignored without a word lets in the wrong
// people or none.
//
// Leading byte order marks, white space around lines, any line ends, and text between blocks are
// taken. Every error names the file and the line, and what to do.
//
// Thread: any; a value, which wipes what it held. Failure: a Status.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace tlsbridge::tls {

enum class PemKind : uint8_t {
  kCertificate,
  kCrl,
  kPkcs8Key,  // "PRIVATE KEY" (RFC 5958)
  kRsaKey,    // "RSA PRIVATE KEY"
  kEcKey,     // "EC PRIVATE KEY" (RFC 5915)
  kOther,     // parameters and public keys, which nobody needs
};

struct PemBlock {
  PemBlock() = default;
  PemBlock(PemBlock&&) = default;
  PemBlock& operator=(PemBlock&&) = default;
  ~PemBlock();

  PemKind kind = PemKind::kOther;
  size_t line = 0;  // of its BEGIN
  std::vector<uint8_t> der;

  bool is_key() const {
    return kind == PemKind::kPkcs8Key || kind == PemKind::kRsaKey || kind == PemKind::kEcKey;
  }
};

// All blocks of `text`, none or more. `name` stands for the file in messages. Refused are what is
// no text, what is damaged, and blocks in which there is what the program cannot read: encrypted
// keys, PKCS #7, keys of OpenSSH.
absl::StatusOr<std::vector<PemBlock>> ParsePem(absl::string_view text, absl::string_view name);

}  // namespace tlsbridge::tls
