// A photo as the data path knows it before it is decoded, and how photos become pixels of the network's input.
// Flow: scan.h -> decode.h -> photo_store.h, split.h, sample_order.h -> the augmentation op.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace tsugi {

/// One photo of one person, not yet decoded.
struct Photo {
  std::string class_name;
  std::string file;  ///< "<class>/<file name>": messages, the draw of a split and bundles use it
  std::string path;  ///< where to read it from, when `bytes` is null
  std::shared_ptr<const std::vector<std::uint8_t>>
      bytes;  ///< the encoded file, when it is in memory (a bundle's photo)
};

/// What a photo is known by: its content, whatever its name (photo_identity.h).
struct PhotoIdentity {
  std::string file;        ///< SHA-256 of the file's bytes, hex
  std::string pixels;      ///< SHA-256 of size and pixels as they are shown, hex; another decoder may round otherwise
  std::uint64_t look = 0;  ///< perceptual hash of the whole picture, 63 bits; 0 where it shows too little
};

/// "<class>" of a photo's `file`.
std::string class_of(const std::string& file);

/// A stable 64-bit key of a photo's `file` (FNV-1a): the same on every machine and wherever the photo lies.
/// Source: http://www.isthe.com/chongo/tech/comp/fnv/
std::uint64_t photo_key(const Photo& photo);

/// How a photo becomes stored pixels, and stored pixels the network's input; checkpoints carry it.
/// The centre square of `crop` of the shorter side is resized to stored_size x stored_size RGB bytes; the network sees
/// the centre size x size of those (the margin feeds shifts and rotations) as (value / 255 - mean) / std.
struct Preprocessing {
  float crop = 0.58f;    ///< of the photo's shorter side, 0 < crop <= 1
  int size = 64;         ///< pixels a side that the network sees
  int stored_size = 80;  ///< pixels a side that are kept, >= size
  float mean[3] = {0.5f, 0.5f, 0.5f};
  float std[3] = {0.25f, 0.25f, 0.25f};
};

/// The default preprocessing for a network of `size` x `size` inputs. Throws Error when size is not in 8..1024.
Preprocessing default_preprocessing(int size);

/// Throws Error naming `place` and the value when a field is out of range or not finite.
void validate(const Preprocessing& preprocessing, const std::string& place);

/// Throws Error naming `place` unless `name` can be one component of a path anywhere: valid UTF-8, 1 to 200 bytes, no
/// control character, no '/' or '\', not beginning with '.'. Class names and file names must pass.
void check_name(const std::string& name, const std::string& place);

}  // namespace tsugi
