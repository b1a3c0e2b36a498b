// A bundle: what a server hands to a device, as a plain .tar: manifest.json (a digest of every member), the checkpoint,
// named arrays, then photos byte for byte as they came. `tsugi bundle` writes it, `tsugi resume` reads it as a stream;
// no path that the archive names is ever opened. Source of the container: POSIX.1-1988 ustar, with GNU tar's long
// names.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/formats/checkpoint.h"
#include "engine/formats/safetensors.h"

namespace tsugi {

/// One photo, stored as photos/<class_name>/<file>, or test/<class_name>/<file>.
struct BundlePhoto {
  std::string class_name;
  std::string file;                                        ///< name without folders
  bool test = false;                                       ///< for the device's evaluation only; never trained on
  std::shared_ptr<const std::vector<std::uint8_t>> bytes;  ///< the encoded photo; set by reading
  std::string path;                                        ///< writing: where to read the photo when `bytes` is null
};

struct Bundle {
  Checkpoint checkpoint;
  CheckpointKind kind = CheckpointKind::full;  ///< how the checkpoint is stored
  std::string strategy;                        ///< how the photos were chosen: "stratified" or "random"
  double fraction = 0.0;                       ///< of the server's training photos, 0 to 1
  std::uint64_t seed = 0;                      ///< of the choice
  std::vector<BundlePhoto> photos;
  /// Arrays that travel along, each file stored as tensors/<name>.safetensors. A name is 1 to 64 of a-z 0-9 _ -. What
  /// the arrays of a name mean, and their shapes, is checked by whoever reads that name.
  std::map<std::string, SafetensorsFile> tensors;
};

/// What write_bundle wrote.
struct BundleSummary {
  std::size_t photos = 0;  ///< training photos
  std::size_t test_photos = 0;
  std::uint64_t bytes = 0;             ///< of the tar file
  std::uint64_t checkpoint_bytes = 0;  ///< of its members by kind; headers and padding come on top
  std::uint64_t tensors_bytes = 0;
  std::uint64_t photo_bytes = 0;  ///< training photos
  std::uint64_t test_photo_bytes = 0;
};

/// The most that read_bundle accepts, in bytes and photos.
struct BundleLimits {
  std::uint64_t manifest_bytes = std::uint64_t{64} << 20;
  std::uint64_t checkpoint_bytes = std::uint64_t{4} << 30;
  std::uint64_t tensors_bytes = std::uint64_t{4} << 30;  ///< of a member
  std::uint64_t photo_bytes = std::uint64_t{64} << 20;
  std::uint64_t total_bytes = std::uint64_t{16} << 30;
  std::size_t photos = 1000000;
  std::size_t tensors = 64;  ///< members
};

/// Writes the bundle atomically. The same content gives the same bytes: members are sorted, and carry no time or owner.
/// Throws on photos that cannot be read, classes that the checkpoint does not have, duplicate or unusable names.
BundleSummary write_bundle(const std::string& path, const Bundle& bundle, FileLog* files = nullptr);

/// Reads a bundle. Throws, and returns nothing, on anything but exactly the members that the manifest lists, each of
/// its size and digest: absolute or `..` names, links and devices, duplicates, compressed or cut archives, sizes above
/// the limits, photos of classes that the checkpoint does not have.
Bundle read_bundle(const std::string& path, const BundleLimits& limits = {}, FileLog* files = nullptr);

}  // namespace tsugi
