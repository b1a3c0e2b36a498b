// Worker threads take photos by number and decode each into its own place, so the result cannot depend on their count.
#include "engine/data/photo_store.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>

#include "engine/data/decode.h"
#include "engine/data/face.h"
#include "engine/data/pixel_block.h"
#include "kernels/api/error.h"
#include "kernels/api/threads.h"

namespace tsugi {
namespace {

/// Decodes photos on several threads. The threads are joined before it goes away.
class DecodePool {
 public:
  DecodePool(const std::vector<Photo>& photos, const PhotoStoreOptions& options, std::uint8_t* pixels)
      : photos_(photos),
        preprocessing_(options.preprocessing),
        files_(options.files),
        pixels_(pixels),
        budget_(options.decode_bytes),
        prepared_(photos.size()),
        reasons_(photos.size()) {
    const auto wanted = static_cast<std::size_t>(options.threads > 0 ? options.threads : available_threads().count);
    try {
      for (std::size_t t = 0; t < std::min(wanted, photos.size()); ++t) workers_.emplace_back([this] { work(); });
    } catch (const std::system_error& error) {  // fewer threads than wanted will do, none will not
      if (workers_.empty()) throw Error(std::string("photos: no thread to decode on: ") + error.what());
    } catch (...) {
      join();
      throw;
    }
  }
  ~DecodePool() { join(); }
  DecodePool(const DecodePool&) = delete;
  DecodePool& operator=(const DecodePool&) = delete;

  /// Returns when every photo was tried. What `progress` throws passes through, and std::bad_alloc of a thread.
  void wait(const std::function<void(std::size_t, std::size_t)>& progress) {
    for (std::size_t done = 0; done < photos_.size();) {
      {
        std::unique_lock<std::mutex> lock(mutex_);
        finished_.wait_for(lock, std::chrono::milliseconds(100),
                           [this] { return done_ == photos_.size() || failure_; });
        if (failure_) std::rethrow_exception(failure_);
        done = done_;
      }
      if (progress) progress(done, photos_.size());
    }
  }

  /// Why each photo could not be read; empty where it could. To be looked at after wait().
  const std::vector<std::string>& reasons() const { return reasons_; }
  /// Of each photo that could be read. To be looked at after wait().
  const std::vector<PreparedPhoto>& prepared() const { return prepared_; }
  std::uint64_t decode_bytes() const { return budget_.most(); }

 private:
  void join() {
    stop_ = true;
    for (std::thread& worker : workers_) worker.join();
  }

  /// Memory that runs out is no photo's fault: it ends the run.
  void work() {
    try {
      take_photos();
    } catch (...) {
      const std::lock_guard<std::mutex> lock(mutex_);
      failure_ = std::current_exception();
      stop_ = true;
      finished_.notify_one();
    }
  }

  void take_photos() {
    for (std::size_t i = next_++; i < photos_.size() && !stop_; i = next_++) {
      const std::size_t side = static_cast<std::size_t>(preprocessing_.stored_size);
      try {
        prepared_[i] = prepare_photo(photos_[i], preprocessing_, pixels_ + i * side * side * 3, budget_, files_);
      } catch (const Error& error) {
        reasons_[i] = without_prefix(error.what(), photos_[i].file + ": ");
      }
      const std::lock_guard<std::mutex> lock(mutex_);
      if (++done_ == photos_.size()) finished_.notify_one();
    }
  }

  static std::string without_prefix(const std::string& text, const std::string& prefix) {
    return text.compare(0, prefix.size(), prefix) == 0 ? text.substr(prefix.size()) : text;
  }

  const std::vector<Photo>& photos_;
  const Preprocessing& preprocessing_;
  FileLog* files_;
  std::uint8_t* pixels_;
  DecodeBudget budget_;
  std::vector<PreparedPhoto> prepared_;
  std::vector<std::string> reasons_;
  std::atomic<std::size_t> next_{0};
  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  std::condition_variable finished_;
  std::size_t done_ = 0;
  std::exception_ptr failure_;
  std::vector<std::thread> workers_;
};

void check_options(const std::vector<Photo>& photos, std::size_t labels, const PhotoStoreOptions& options) {
  if (photos.size() != labels)
    throw Error("photos: " + std::to_string(photos.size()) + " photos, " + std::to_string(labels) + " labels");
  if (photos.empty()) throw Error("photos: 0 photos, at least 1 expected");
  if (options.threads < 0)
    throw Error("photos: threads is " + std::to_string(options.threads) + ", expected 0 or more");
  if (!(options.max_broken_fraction >= 0.0 && options.max_broken_fraction <= 1.0)) {
    throw Error("photos: broken fraction allowed is " + std::to_string(options.max_broken_fraction) +
                ", expected 0 to 1");
  }
  validate(options.preprocessing, "photos");
  const auto looked_at = [](const Photo& photo) { return !photo.face; };
  if (options.preprocessing.around != CropAround::centre && std::any_of(photos.begin(), photos.end(), looked_at))
    require_face_detector("photos");
}

void check_broken(std::size_t photos, const std::vector<BrokenPhoto>& broken, double max_fraction) {
  const std::size_t allowed =
      std::max<std::size_t>(1, static_cast<std::size_t>(max_fraction * static_cast<double>(photos)));
  const auto faceless = static_cast<std::size_t>(
      std::count_if(broken.begin(), broken.end(), [](const BrokenPhoto& photo) { return photo.faceless; }));
  const std::size_t unreadable = broken.size() - faceless;
  if (unreadable <= allowed && broken.size() < photos) return;
  std::string message = "photos: " + std::to_string(unreadable) + " of " + std::to_string(photos) +
                        " cannot be read, at most " + std::to_string(std::min(allowed, photos - 1)) + " may be broken";
  if (faceless > 0)
    message = "photos: no face is found in " + std::to_string(faceless) + " of " + std::to_string(photos) + ", " +
              std::to_string(unreadable) + " cannot be read";
  for (std::size_t i = 0; i < std::min<std::size_t>(broken.size(), 3); ++i)
    message += "; " + broken[i].file + ": " + broken[i].reason;
  throw Error(message);
}

}  // namespace

PhotoStore::PhotoStore(const std::vector<Photo>& photos, const std::vector<int>& labels,
                       const PhotoStoreOptions& options)
    : preprocessing_(options.preprocessing) {
  check_options(photos, labels.size(), options);
  block_ = std::make_unique<PixelBlock>(photos.size() * photo_bytes(), options.resident_bytes, options.files);
  DecodePool pool(photos, options, block_->data());
  pool.wait(options.progress);
  photos_ = photos;
  labels_ = labels;
  decode_bytes_ = pool.decode_bytes();
  std::vector<std::uint32_t> readable;
  for (std::uint32_t i = 0; i < photos.size(); ++i) {
    const PreparedPhoto& prepared = pool.prepared()[i];
    const std::string& reason = pool.reasons()[i];
    identities_.push_back(prepared.identity);
    if (!reason.empty())
      broken_.push_back({photos[i].file, reason});
    else if (prepared.faceless && preprocessing_.around == CropAround::face)
      broken_.push_back({photos[i].file, "no face is found in it", true});
    else
      readable.push_back(i);
    if (prepared.faceless && preprocessing_.around == CropAround::face_or_centre) centred_.push_back(photos[i].file);
  }
  keep(readable);
  if (!options.any_broken) check_broken(photos.size(), broken_, options.max_broken_fraction);
}

void PhotoStore::keep(const std::vector<std::uint32_t>& photos) {
  std::size_t place = 0;
  for (const std::uint32_t i : photos) {
    if (place != i) {
      std::memcpy(block_->data() + place * photo_bytes(), block_->data() + i * photo_bytes(), photo_bytes());
      photos_[place] = std::move(photos_[i]);
      labels_[place] = labels_[i];
      identities_[place] = std::move(identities_[i]);
    }
    ++place;
  }
  photos_.resize(place);
  labels_.resize(place);
  identities_.resize(place);
}

PhotoStore::~PhotoStore() = default;
PhotoStore::PhotoStore(PhotoStore&&) noexcept = default;
PhotoStore& PhotoStore::operator=(PhotoStore&&) noexcept = default;

const std::uint8_t* PhotoStore::pixels() const { return block_->data(); }
std::size_t PhotoStore::bytes() const { return photos_.size() * photo_bytes(); }
std::size_t PhotoStore::photo_bytes() const {
  return static_cast<std::size_t>(preprocessing_.stored_size) * preprocessing_.stored_size * 3;
}

}  // namespace tsugi
