// Rows on their way to a device, all at once or a batch at a time.
#include "engine/train/sample_source.h"

#include <algorithm>
#include <cstring>

namespace tsugi {
namespace {

std::string text_of(const SampleShape& s) {
  return std::to_string(s.h) + "x" + std::to_string(s.w) + "x" + std::to_string(s.c);
}

}  // namespace

void SampleSource::make_resident() {
  if (resident()) return;
  DeviceBuffer copy(backend_, bytes());
  backend_.copy_to_device(copy.data(), rows(), bytes());
  copy_ = std::move(copy);
}

void check_shape(const SampleSource& source, const Model& model, const std::string& place) {
  if (source.shape() == model.input) return;
  throw Error(place + ": samples are " + text_of(source.shape()) + ", model " + model.name + " reads " +
              text_of(model.input));
}

SampleBatch::SampleBatch(Backend& backend, const SampleSource& source, std::size_t batch)
    : backend_(&backend), source_(&source), device_(source.device()) {
  if (source.resident()) return;
  block_ = DeviceBuffer(backend, bytes(source, batch));
  host_.resize(block_.bytes());
  device_ = block_.as<std::uint8_t>();
}

void SampleBatch::gather(const std::uint32_t* index, std::size_t n) {
  if (host_.empty()) return;
  const std::size_t bytes = source_->row_bytes();
  for (std::size_t i = 0; i < n; ++i) std::memcpy(host_.data() + i * bytes, source_->rows() + index[i] * bytes, bytes);
  gathered_.assign(index, index + n);
}

void SampleBatch::fetch(std::uint32_t* index, std::size_t n) {
  if (host_.empty()) return;
  if (gathered_.size() != n || !std::equal(gathered_.begin(), gathered_.end(), index)) gather(index, n);
  backend_->copy_to_device(block_.data(), host_.data(), n * source_->row_bytes());
  for (std::size_t i = 0; i < n; ++i) index[i] = static_cast<std::uint32_t>(i);
}

}  // namespace tsugi
