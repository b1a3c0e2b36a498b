// Sample bundles, and a tar writer that can write what libarchive would refuse: hostile archives.
#pragma once

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "engine/core/atomic_file.h"
#include "engine/core/input_file.h"
#include "engine/handover/bundle.h"
#include "tests/formats/support.h"

namespace tsugi::test {

using Bytes = std::vector<std::uint8_t>;

inline Bytes bytes_of(const std::string& text) { return {text.begin(), text.end()}; }

/// Two files of arrays, one of every type; three training photos and one test photo; names with spaces, quotes, other
/// scripts, and too long for ustar.
inline Bundle sample_bundle() {
  std::mt19937_64 random(1);
  Bundle bundle;
  bundle.checkpoint = small_checkpoint(random);
  bundle.strategy = "stratified";
  bundle.fraction = 0.3;
  bundle.seed = 0xffffffffffffffffu;
  const auto add = [&](const std::string& name, const std::string& file, bool test, const std::string& text) {
    bundle.photos.push_back({name, file, test, std::make_shared<const Bytes>(bytes_of(text)), {}});
  };
  add(bundle.checkpoint.class_names[2], "b.jpg", false, "photo B");
  add(bundle.checkpoint.class_names[2], std::string(150, 'l') + ".jpg", false, std::string(3000, 'p'));
  add(bundle.checkpoint.class_names[0], "1.jpg", false, "photo A");
  add(bundle.checkpoint.class_names[1], "\xe7\xb6\x99.png", true, "");
  bundle.tensors["acts_2-8bit"].tensors = {{"a",
                                            DType::u8,
                                            {2, 3},
                                            bytes_of("\x01\xff"
                                                     "abcd")},
                                           {"b", DType::i8, {1}, bytes_of("\x80")},
                                           {"c", DType::f16, {1, 2}, bytes_of("half")},
                                           {"d", DType::bf16, {}, bytes_of("bf")},
                                           random_tensor("e", {3, 2}, random)};
  bundle.tensors["acts_2-8bit"].metadata = {{"what", "activations"}};
  bundle.tensors["empty"] = {};
  return bundle;
}

inline Bytes bundle_bytes(const Bundle& bundle) {
  const ScratchFolder folder;
  write_bundle(folder / "b.tar", bundle);
  return read_file(folder / "b.tar");
}

/// Reads these bytes, from a file.
inline Bundle decode_bundle(const Bytes& bytes) {
  const ScratchFolder folder;
  write_file_atomically(folder / "file", bytes.data(), bytes.size());
  return read_bundle(folder / "file");
}

/// One member of a hand-made tar. `declared` is the size in its header where that is not the true one.
struct TarMember {
  std::string name;
  Bytes bytes;
  char type = '0';
  std::string link = {};
  long long declared = -1;
};

inline void append_member(Bytes& tar, const TarMember& member) {
  Bytes header(512, 0);
  const auto put = [&](std::size_t at, const std::string& text) {
    std::copy(text.begin(), text.end(), header.begin() + at);
  };
  const auto octal = [](long long value, int digits) {
    char text[32];
    std::snprintf(text, sizeof text, "%0*llo", digits, static_cast<unsigned long long>(value));
    return std::string(text);
  };
  put(0, member.name.substr(0, 100));
  put(100, octal(0644, 7));
  put(108, octal(0, 7));
  put(116, octal(0, 7));
  put(124, octal(member.declared >= 0 ? member.declared : static_cast<long long>(member.bytes.size()), 11));
  put(136, octal(0, 11));
  put(148, std::string(8, ' '));
  header[156] = static_cast<std::uint8_t>(member.type);
  put(157, member.link.substr(0, 100));
  put(257, std::string("ustar\0"
                       "00",
                       8));
  unsigned sum = 0;
  for (const auto byte : header) sum += byte;
  put(148, octal(sum, 6) + std::string("\0 ", 2));
  tar.insert(tar.end(), header.begin(), header.end());
  tar.insert(tar.end(), member.bytes.begin(), member.bytes.end());
  tar.resize((tar.size() + 511) / 512 * 512);
}

inline Bytes tar_of(const std::vector<TarMember>& members) {
  Bytes tar;
  for (const auto& member : members) append_member(tar, member);
  tar.resize(tar.size() + 1024);
  return tar;
}

}  // namespace tsugi::test
