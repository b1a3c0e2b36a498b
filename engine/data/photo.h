// A photo as the data path knows it before it is decoded, and how photos become pixels of the network's input.
// Flow: scan.h -> decode.h -> photo_store.h, split.h, sample_order.h -> the augmentation op.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace tsugi {

/// A rectangle of a photo turned upright, in its pixels; it may reach beyond the photo's edges.
struct Box {
  double x = 0.0, y = 0.0;  ///< left, top
  double w = 0.0, h = 0.0;
};

/// One photo of one person, not yet decoded.
struct Photo {
  std::string class_name;  ///< composed
  std::string file;        ///< "<class>/<file name>": messages, the draw of a split and bundles use it
  std::string path;        ///< where to read it from, when `bytes` is null
  std::shared_ptr<const std::vector<std::uint8_t>>
      bytes;                     ///< the encoded file, when it is in memory (a bundle's photo)
  std::optional<Box> face = {};  ///< where somebody says that the face is; nobody: as the preprocessing finds it
};

/// What a photo is known by: its content, whatever its name (photo_identity.h).
struct PhotoIdentity {
  std::string file;        ///< SHA-256 of the file's bytes, hex
  std::string pixels;      ///< SHA-256 of size and pixels as they were decoded and turned, hex
  std::uint64_t look = 0;  ///< perceptual hash of the whole picture, 63 bits; 0 where it shows too little
};

/// "<class>" of a photo's `file`; and that `file` with its class composed() (core/text.h).
std::string class_of(const std::string& file);
std::string with_composed_class(const std::string& file);

/// A stable 64-bit key of a photo's `file` (FNV-1a): the same on every machine and wherever the photo lies.
/// Source: http://www.isthe.com/chongo/tech/comp/fnv/
std::uint64_t photo_key(const Photo& photo);

/// What the square that is taken of a photo lies around.
enum class CropAround : std::uint8_t {
  centre,         ///< of the photo: for photos whose faces are aligned
  face,           ///< the largest face; a photo in which none is found is left out
  face_or_centre  ///< the largest face, the photo's centre where none is found
};

/// "center", "face", "face-or-center", and back; the latter throws Error naming `place` and the word.
const char* name_of(CropAround around);
CropAround parse_crop_around(const std::string& word, const std::string& place);

/// How a photo becomes stored pixels, and stored pixels the network's input; checkpoints carry it.
/// The square of `crop` of the shorter side about the centre (around a face: of the square that an aligned photo of it
/// would have, crop.h) is resized to stored_size x stored_size RGB bytes; the network sees the centre size x size of
/// those (the margin feeds shifts and rotations) as (value / 255 - mean) / std.
struct Preprocessing {
  CropAround around = CropAround::centre;
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
