// Keeps one entry an opening, and sums them up when asked.
#include "engine/core/file_log.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <tuple>

#include "engine/core/sha256.h"

namespace tsugi {
namespace {

/// The same for "tony", "tony/" and "./tony": names are compared, links are not followed.
std::filesystem::path plain(const std::string& path) {
  const std::filesystem::path normal = std::filesystem::absolute(path).lexically_normal();
  return normal.has_filename() ? normal : normal.parent_path();
}

bool is_below(const std::string& path, const std::string& folder) {
  const std::filesystem::path inner = plain(path), outer = plain(folder);
  return std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end()).first == outer.end();
}

}  // namespace

void FileLog::personal(const std::string& path) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (std::find(personal_.begin(), personal_.end(), path) == personal_.end()) personal_.push_back(path);
}

std::vector<FileUse> FileLog::uses() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::vector<FileUse> uses;
  std::map<std::tuple<FileAccess, std::string, std::string, std::string>, std::size_t> known;
  for (const FileUse& one : opened_) {
    const auto key = std::make_tuple(one.access, one.path, one.role, one.access == FileAccess::read ? one.sha256 : "");
    const auto [found, is_new] = known.emplace(key, uses.size());
    if (is_new) uses.push_back(one);
    FileUse& sum = uses[found->second];
    if (one.complete) {
      sum.complete = true;
      sum.bytes = one.bytes;
      sum.sha256 = one.sha256;
    }
    sum.personal = sum.personal || one.personal;
    sum.times += 1;
  }
  for (FileUse& use : uses)
    use.personal = use.personal || std::any_of(personal_.begin(), personal_.end(),
                                               [&](const std::string& at) { return is_below(use.path, at); });
  return uses;
}

std::size_t FileLog::begin(const FileUse& use) {
  const std::lock_guard<std::mutex> lock(mutex_);
  opened_.push_back(use);
  return opened_.size() - 1;
}

void FileLog::end(std::size_t place, std::uint64_t bytes, const std::string& sha256) {
  const std::lock_guard<std::mutex> lock(mutex_);
  opened_[place].complete = true;
  opened_[place].bytes = bytes;
  opened_[place].sha256 = sha256;
}

FileRecord::FileRecord(const FilePurpose& purpose, FileAccess access, const std::string& path,
                       const std::string& temporary)
    : log_(purpose.log) {
  if (log_ == nullptr) return;
  FileUse use;
  use.path = path;
  use.temporary = temporary;
  use.role = purpose.role;
  use.personal = purpose.personal;
  use.access = access;
  place_ = log_->begin(use);
  if (access != FileAccess::scratch) digest_ = std::make_unique<Sha256>();
}

FileRecord::~FileRecord() = default;

void FileRecord::passed(const void* bytes, std::size_t size) {
  if (log_ == nullptr) return;
  bytes_ += size;
  if (digest_) digest_->update(bytes, size);
}

void FileRecord::complete() {
  if (log_ != nullptr) log_->end(place_, bytes_, digest_ ? digest_->hex() : "");
}

}  // namespace tsugi
