// Decoded photos in one block of bytes, as the augmentation op reads them: decoded on all cores before training starts,
// kept in memory when they fit a budget and in an unlinked, mapped temporary file otherwise. Nobody outside can tell.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/core/file_log.h"
#include "engine/data/decode_budget.h"
#include "engine/data/photo.h"

namespace tsugi {

class PixelBlock;

/// A photo that is left out, and why: it could not be read, or shows no face to crop it around.
struct BrokenPhoto {
  std::string file, reason;
  bool faceless = false;
};

struct PhotoStoreOptions {
  Preprocessing preprocessing;
  int threads = 0;  ///< decoding threads, 0 = all that this process may use
  /// Broken photos are skipped and listed. More than this fraction of all photos fails the run; one broken photo never
  /// does, unless it is the only photo: a single bad download should not stop a training, a bad disk or a wrong folder
  /// should. Photos in which no face is found do not count, unless none is left.
  double max_broken_fraction = 0.05;
  bool any_broken = false;                    ///< however many are broken, even all: broken() tells them
  std::uint64_t decode_bytes = kDecodeBytes;  ///< memory that the decoding threads share
  std::size_t resident_bytes = std::size_t{2}
                               << 30;  ///< beyond this the pixels lie in a mapped temporary file (TMPDIR)
  /// Called on the calling thread, now and then and at the end. What it throws stops the decoding and leaves the
  /// constructor.
  std::function<void(std::size_t done, std::size_t total)> progress;
  FileLog* files = nullptr;  ///< where opened files are recorded, null = nowhere; outlives the constructor
};

/// The decoded photos, in the order given, without the broken ones. The content does not depend on the thread count.
class PhotoStore {
 public:
  /// Decodes `photos` ([n], labels [n]). Throws Error when the sizes differ, when more photos are broken than the
  /// options allow (naming the first ones), when none is left, when faces are to be found and this build finds none, or
  /// when memory or temporary disk space runs out.
  PhotoStore(const std::vector<Photo>& photos, const std::vector<int>& labels, const PhotoStoreOptions& options);
  ~PhotoStore();
  PhotoStore(PhotoStore&&) noexcept;
  PhotoStore& operator=(PhotoStore&&) noexcept;

  std::size_t size() const { return photos_.size(); }
  const Preprocessing& preprocessing() const { return preprocessing_; }
  /// [size,stored_size,stored_size,3] uint8, host memory, 64-byte aligned; lives as long as the store.
  const std::uint8_t* pixels() const;
  std::size_t bytes() const;        ///< of pixels()
  std::size_t photo_bytes() const;  ///< of one photo
  int label(std::size_t i) const { return labels_[i]; }
  const std::vector<int>& labels() const { return labels_; }
  const Photo& photo(std::size_t i) const { return photos_[i]; }
  const std::vector<Photo>& photos() const { return photos_; }
  const PhotoIdentity& identity(std::size_t i) const { return identities_[i]; }
  const std::vector<PhotoIdentity>& identities() const { return identities_; }
  const std::vector<BrokenPhoto>& broken() const { return broken_; }
  /// The files of those whose centre was taken because no face was found in them.
  const std::vector<std::string>& centred() const { return centred_; }

  /// The most that decoding them reserved at once, by what their headers promise.
  std::uint64_t decode_bytes() const { return decode_bytes_; }

  /// Drops all photos but these, which are ascending.
  void keep(const std::vector<std::uint32_t>& photos);

 private:
  Preprocessing preprocessing_;
  std::vector<Photo> photos_;
  std::vector<int> labels_;
  std::vector<PhotoIdentity> identities_;
  std::vector<BrokenPhoto> broken_;
  std::vector<std::string> centred_;
  std::uint64_t decode_bytes_ = 0;
  std::unique_ptr<PixelBlock> block_;
};

}  // namespace tsugi
