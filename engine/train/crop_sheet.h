// Pictures of what the network sees of photos, for people to look at: --save-crops.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "engine/core/file_log.h"
#include "engine/train/photo_source.h"

namespace tsugi {

/// Square pictures in rows, a white line between them, as one PNG.
class CropSheet {
 public:
  /// side: pixels of a picture.
  CropSheet(int side, int columns) : side_(side), columns_(columns) {}

  /// rgb: [side,side,3], host. What is more than 64 MiB of pixels is only counted.
  void add(const std::uint8_t* rgb);
  std::size_t left_out() const { return left_out_; }

  /// Nothing where no picture was added. Throws Error naming the path when it cannot be written.
  void write(const std::string& path, const FilePurpose& purpose) const;

 private:
  int side_, columns_;
  std::vector<std::uint8_t> pictures_;  // [*,side,side,3]
  std::size_t left_out_ = 0;
};

/// What the network gets of a photo: itself, then random variants as training draws them.
struct CropVariants {
  std::uint32_t count = 1;   ///< pictures a photo, with itself
  AugmentStrength strength;  ///< of the others, and their seed
  std::uint64_t seed = 0;
};

/// [variants.count, size, size, 3] bytes, as the network's input is before it is normalised.
std::vector<std::uint8_t> seen_by_network(Backend& backend, const PhotoSource& source, std::uint32_t photo,
                                          const CropVariants& variants);

/// Makes the folder. Throws Error naming it when it is there and not empty.
void make_crop_folder(const std::string& folder);

/// Writes FOLDER/<person>.png of everyone in the source: a row a photo in the order of their names, with variants; of
/// photos alone ten a row. say: hears of photos that a sheet leaves out. Throws as CropSheet::write.
void write_crop_sheets(Backend& backend, const PhotoSource& source, const CropVariants& variants,
                       const std::string& folder, const FilePurpose& purpose,
                       const std::function<void(const std::string&)>& say);

}  // namespace tsugi
