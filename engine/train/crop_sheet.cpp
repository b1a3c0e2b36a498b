// Runs the first op of a step and turns what it makes back into pictures.
#include "engine/train/crop_sheet.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <map>
#include <system_error>

#include "engine/core/atomic_file.h"
#include "engine/data/encode.h"
#include "kernels/api/error.h"

namespace tsugi {
namespace {

constexpr std::size_t kMostBytes = std::size_t{64} << 20;
constexpr int kLine = 2;  // pixels between pictures
constexpr std::uint32_t kMostVariants = 9;
constexpr int kPhotosInRow = 10;  // without variants

std::size_t picture_bytes(int side) { return static_cast<std::size_t>(side) * static_cast<std::size_t>(side) * 3; }

}  // namespace

void CropSheet::add(const std::uint8_t* rgb) {
  const std::size_t bytes = picture_bytes(side_);
  if (pictures_.size() + bytes > kMostBytes)
    ++left_out_;
  else
    pictures_.insert(pictures_.end(), rgb, rgb + bytes);
}

void CropSheet::write(const std::string& path, const FilePurpose& purpose) const {
  const std::size_t bytes = picture_bytes(side_), count = pictures_.size() / bytes;
  if (count == 0) return;
  const auto columns = std::min(static_cast<std::size_t>(columns_), count), rows = (count + columns - 1) / columns;
  const auto step = static_cast<std::size_t>(side_ + kLine), row_bytes = static_cast<std::size_t>(side_) * 3;
  const std::size_t w = columns * step - kLine, h = rows * step - kLine;
  std::vector<std::uint8_t> sheet(h * w * 3, 255);
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t top = i / columns * step, left = i % columns * step;
    for (std::size_t y = 0; y < static_cast<std::size_t>(side_); ++y)
      std::memcpy(&sheet[((top + y) * w + left) * 3], &pictures_[i * bytes + y * row_bytes], row_bytes);
  }
  const std::vector<std::uint8_t> png = encode_png({sheet.data(), static_cast<int>(h), static_cast<int>(w), 3});
  write_file_atomically(path, png.data(), png.size(), purpose);
}

std::vector<std::uint8_t> seen_by_network(Backend& backend, const PhotoSource& source, std::uint32_t photo,
                                          const CropVariants& variants) {
  const Preprocessing& p = source.store().preprocessing();
  const std::size_t n = variants.count, values = n * picture_bytes(p.size);
  std::vector<std::uint32_t> numbers(2 * n, 0);  // of the photo in the rows, then of the draws
  for (std::size_t i = 0; i < n; ++i) numbers[n + i] = photo * variants.count + static_cast<std::uint32_t>(i);
  StepState state;
  state.seed = variants.seed;
  const DeviceBuffer row(backend, source.row_bytes()), indices(backend, numbers.size() * sizeof(std::uint32_t)),
      step(backend, sizeof state), x(backend, values * sizeof(float));
  backend.copy_to_device(row.data(), source.rows() + photo * source.row_bytes(), source.row_bytes());
  backend.copy_to_device(indices.data(), numbers.data(), indices.bytes());
  backend.copy_to_device(step.data(), &state, sizeof state);
  SampleRequest request;
  request.n = static_cast<int>(n);
  request.variants = variants.count;
  request.strength = variants.strength;
  request.rows = row.as<std::uint8_t>();
  request.index = indices.as<std::uint32_t>();
  request.sample_ids = request.index + n;
  request.step = step.as<StepState>();
  request.x = x.data();
  const DeviceBuffer workspace(backend, source.workspace_bytes(request));
  request.workspace = workspace.data();
  source.make_batch(request);
  std::vector<float> input(values);
  backend.copy_to_host(input.data(), x.data(), x.bytes());
  std::vector<std::uint8_t> pictures(values);
  for (std::size_t i = 0; i < values; ++i) {
    const float value = 255.0f * (input[i] * p.std[i % 3] + p.mean[i % 3]);
    pictures[i] = static_cast<std::uint8_t>(std::lround(std::clamp(value, 0.0f, 255.0f)));
  }
  return pictures;
}

void make_crop_folder(const std::string& folder) {
  namespace fs = std::filesystem;
  std::error_code error;
  if (fs::exists(folder, error)) {
    if (!fs::is_directory(folder, error) || !fs::is_empty(folder, error) || error)
      throw Error(folder + ": exists and is not an empty folder, which --save-crops expects");
    return;
  }
  if (!fs::create_directories(folder, error) && error) throw Error(folder + ": cannot be made: " + error.message());
}

void write_crop_sheets(Backend& backend, const PhotoSource& source, const CropVariants& variants,
                       const std::string& folder, const FilePurpose& purpose,
                       const std::function<void(const std::string&)>& say) {
  CropVariants shown = variants;
  shown.count = std::min(shown.count, kMostVariants);
  const int side = source.store().preprocessing().size;
  std::map<std::string, std::vector<std::uint32_t>> people;
  for (std::uint32_t i = 0; i < source.size(); ++i) people[source.store().photo(i).class_name].push_back(i);
  for (const auto& [name, photos] : people) {
    CropSheet sheet(side, shown.count > 1 ? static_cast<int>(shown.count) : kPhotosInRow);
    for (const std::uint32_t photo : photos) {
      const std::vector<std::uint8_t> pictures = seen_by_network(backend, source, photo, shown);
      for (std::uint32_t i = 0; i < shown.count; ++i) sheet.add(&pictures[i * picture_bytes(side)]);
    }
    const std::string path = (std::filesystem::path(folder) / (name + ".png")).string();
    sheet.write(path, purpose);
    if (sheet.left_out() > 0 && say)
      say(path + " has no room for " + std::to_string(sheet.left_out()) + " of " +
          std::to_string(photos.size() * shown.count) + " pictures");
  }
}

}  // namespace tsugi
