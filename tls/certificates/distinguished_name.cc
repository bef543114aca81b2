#include "tls/certificates/distinguished_name.h"

#include <openssl/bio.h>
#include <openssl/x509.h>

#include "tls/out_of_memory.h"

namespace tlsbridge::tls {

std::string DistinguishedName(const X509_NAME* name) {
  bssl::UniquePtr<BIO> bio(Made(BIO_new(BIO_s_mem())));
  X509_NAME_print_ex(bio.get(), name, /*indent=*/0, XN_FLAG_RFC2253);
  const uint8_t* data;
  size_t length;
  if (!BIO_mem_contents(bio.get(), &data, &length)) return "";
  return std::string(reinterpret_cast<const char*>(data), length);
}

bool SameName(const X509_NAME* a, const X509_NAME* b) { return X509_NAME_cmp(a, b) == 0; }

}  // namespace tlsbridge::tls
