// SHA-256 by the published examples, cut anywhere.
#include "engine/core/sha256.h"

#include "tests/formats/support.h"

// The examples of FIPS 180-2, appendix B.
TEST_CASE("sha256 gives the published digests") {
  CHECK(tsugi::sha256_hex(std::string()) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(tsugi::sha256_hex(std::string("abc")) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(tsugi::sha256_hex(std::vector<std::uint8_t>(1000000, 'a')) ==
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_CASE("sha256 does not depend on how its input is cut") {
  const std::string text = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    tsugi::Sha256 digest;
    digest.update(text.data(), cut);
    digest.update(text.data() + cut, text.size() - cut);
    CHECK(digest.hex() == "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  }
}
