// Thousands of damaged files of every kind, by seed: each must be read or refused with an Error. Under AddressSanitizer
// (preset cpu-asan) this also finds reads beyond the input.
#include <algorithm>
#include <cstdio>
#include <iterator>

#include "tests/formats/support.h"
#include "tests/fuzz/targets.h"

using tsugi::fuzz::Bytes;

// LeakSanitizer asks the program: what libheif's AV1 decoder keeps of a damaged photo is that library's to free. Of
// ours everything is still reported.
extern "C" const char* __lsan_default_suppressions();
extern "C" const char* __lsan_default_suppressions() { return "leak:libdav1d.so\nleak:heif_image_create\n"; }

namespace {

constexpr int kMutants = 3000;

std::size_t below(std::mt19937_64& random, std::size_t limit) { return limit == 0 ? 0 : random() % limit; }

Bytes::iterator at(Bytes& bytes, std::size_t i) { return bytes.begin() + static_cast<std::ptrdiff_t>(i); }

void change_byte(Bytes& bytes, std::mt19937_64& random) {
  static const std::uint8_t kTelling[] = {0,   1,   0x7f, 0x80, 0xff, '"', '\\', '{', '}',
                                          '[', ']', ',',  ':',  '/',  '.', '0',  '9', '-'};
  if (bytes.empty()) return;
  auto& byte = bytes[below(random, bytes.size())];
  byte = random() % 2 == 0 ? kTelling[below(random, sizeof kTelling)] : static_cast<std::uint8_t>(random());
}

void drop_range(Bytes& bytes, std::mt19937_64& random) {
  const auto begin = below(random, bytes.size());
  const auto length = below(random, std::min<std::size_t>(bytes.size() - begin, 64) + 1);
  bytes.erase(at(bytes, begin), at(bytes, begin + length));
}

void repeat_range(Bytes& bytes, std::mt19937_64& random) {
  const auto begin = below(random, bytes.size());
  const auto length = below(random, std::min<std::size_t>(bytes.size() - begin, 256) + 1);
  const Bytes piece(at(bytes, begin), at(bytes, begin + length));
  bytes.insert(at(bytes, below(random, bytes.size() + 1)), piece.begin(), piece.end());
}

// Replaces a run of digits by a number that overflows something.
void change_number(Bytes& bytes, std::mt19937_64& random) {
  static const std::string kNumbers[] = {"0",
                                         "-1",
                                         "18446744073709551615",
                                         "18446744073709551616",
                                         "9223372036854775807",
                                         "4294967296",
                                         "2147483648",
                                         "1e999",
                                         "0.5",
                                         "null",
                                         "\"7\"",
                                         "[]"};
  const auto is_digit = [](std::uint8_t byte) { return byte >= '0' && byte <= '9'; };
  const auto from = at(bytes, below(random, bytes.size()));
  const auto begin = std::find_if(from, bytes.end(), is_digit);
  const auto end = std::find_if_not(begin, bytes.end(), is_digit);
  const auto& number = kNumbers[below(random, std::size(kNumbers))];
  const auto place = bytes.erase(begin, end);
  bytes.insert(place, number.begin(), number.end());
}

void cut(Bytes& bytes, std::mt19937_64& random) { bytes.resize(below(random, bytes.size() + 1)); }

Bytes mutated(Bytes bytes, std::mt19937_64& random) {
  using Mutation = void (*)(Bytes&, std::mt19937_64&);
  static const Mutation kMutations[] = {change_byte,  change_byte,   change_byte,  drop_range,
                                        repeat_range, change_number, change_number};
  const auto count = 1 + below(random, 4);
  for (std::size_t i = 0; i < count; ++i) kMutations[below(random, std::size(kMutations))](bytes, random);
  if (below(random, 16) == 0) cut(bytes, random);
  return bytes;
}

// Gives `target` the original, which it must accept, and then mutants of it. A fresh vector each: ASan sees its end.
void feed(tsugi::fuzz::Target target, const std::vector<Bytes>& originals) {
  const auto seed = tsugi::test::fresh_seed();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  for (const Bytes& original : originals) {
    CHECK(target(original.data(), original.size()));
    int refused = 0;
    for (int i = 0; i < kMutants; ++i) {
      CAPTURE(i);
      const Bytes mutant = mutated(original, random);
      refused += target(mutant.data(), mutant.size()) ? 0 : 1;
    }
    CHECK(refused > kMutants / 10);  // the mutations do damage
  }
  std::printf("%zu mutants\n", originals.size() * kMutants);  // tests/campaign counts them
}

}  // namespace

#define TSUGI_FUZZ_TARGET(name, what)                              \
  TEST_CASE("a damaged " what " is read or refused, never more") { \
    feed(tsugi::fuzz::name, tsugi::fuzz::seeds::name());           \
  }
#include "tests/fuzz/targets.inc"
#undef TSUGI_FUZZ_TARGET
