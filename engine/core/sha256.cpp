// SHA-256 through OpenSSL's EVP interface.
#include "engine/core/sha256.h"

#include <openssl/evp.h>

#include <new>

#include "kernels/api/error.h"

namespace tsugi {
namespace {

/// OpenSSL always has SHA-256: what may be missing is memory, which is not the fault of what is to be digested.
[[noreturn]] void no_memory() { throw std::bad_alloc(); }

/// Looked up once in a process. OpenSSL 3 looks up again in each digest that is given EVP_sha256(), in tables that it
/// guards by means that ThreadSanitizer cannot see.
const EVP_MD* sha256() {
#if OPENSSL_VERSION_NUMBER >= 0x30000000L
  static const EVP_MD* const found = [] {
    const EVP_MD* const fetched = EVP_MD_fetch(nullptr, "SHA256", nullptr);
    if (fetched == nullptr) no_memory();
    return fetched;
  }();
  return found;
#else
  return EVP_sha256();
#endif
}

}  // namespace

struct Sha256::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  ~State() { EVP_MD_CTX_free(context); }
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
  if (state_->context == nullptr || EVP_DigestInit_ex(state_->context, sha256(), nullptr) != 1) no_memory();
}

Sha256::~Sha256() = default;

void Sha256::update(const void* bytes, std::size_t size) {
  if (size == 0) return;
  if (EVP_DigestUpdate(state_->context, bytes, size) != 1) throw Error("sha256: OpenSSL failed while adding bytes");
}

std::string Sha256::hex() {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int length = 0;
  if (EVP_DigestFinal_ex(state_->context, digest, &length) != 1)
    throw Error("sha256: OpenSSL failed while ending the digest");
  static const char kDigits[] = "0123456789abcdef";
  std::string text;
  for (unsigned int i = 0; i < length; ++i) {
    text += kDigits[digest[i] >> 4];
    text += kDigits[digest[i] & 15];
  }
  return text;
}

std::string sha256_hex(const void* bytes, std::size_t size) {
  Sha256 digest;
  digest.update(bytes, size);
  return digest.hex();
}

std::string sha256_hex(const std::string& text) { return sha256_hex(text.data(), text.size()); }

std::string sha256_hex(const std::vector<std::uint8_t>& bytes) { return sha256_hex(bytes.data(), bytes.size()); }

bool is_sha256_hex(const std::string& text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

}  // namespace tsugi
