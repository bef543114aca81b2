// A certificate chain and its private key, read from PEM files and checked against each other.
//
// Thread: any; immutable once loaded. Owner: the caller; a ServerContext keeps references of its
// own. Failure: a Status that names the file and the reason; nothing is half-loaded.
#pragma once

#include <openssl/base.h>

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace tlsbridge::tls {

struct KeyPair {
  KeyPair();
  KeyPair(KeyPair&&) noexcept;
  KeyPair& operator=(KeyPair&&) noexcept;
  ~KeyPair();

  std::vector<bssl::UniquePtr<X509>> chain;  // leaf first, never empty
  bssl::UniquePtr<EVP_PKEY> key;             // belongs to the leaf
  std::string name;                          // the certificate's file, for messages
  std::vector<std::string> warnings;         // what is odd about the chain; each names the file
};

struct Validity {
  absl::Time not_before;
  absl::Time not_after;
};
// Of the leaf.
Validity ValidityOf(const KeyPair& pair);

// Reads PEM: in `certificate_path` the leaf and then its chain, in `key_path` an unencrypted RSA
// (2048 bits or more) or ECDSA (P-256, P-384, P-521) key. Both may name one file. `now` decides
// whether the leaf is valid. The private key's text is wiped from memory again. That anybody may
// read its file is a warning.
absl::StatusOr<KeyPair> LoadKeyPair(const std::string& certificate_path,
                                    const std::string& key_path, absl::Time now);

// The same for PEM text; `certificate_name` and `key_name` stand for the files in messages.
absl::StatusOr<KeyPair> ParseKeyPair(absl::string_view certificate_pem,
                                     absl::string_view certificate_name, absl::string_view key_pem,
                                     absl::string_view key_name, absl::Time now);

}  // namespace tlsbridge::tls
