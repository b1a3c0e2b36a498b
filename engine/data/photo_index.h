// Photos to be found again by what they show: under another name, in another folder, re-exported.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/data/photo.h"

namespace tsugi {

class PhotoIndex {
 public:
  /// name: "<class>/<file>". Of what nobody saw, the pixels are empty; of what nobody read, the file's digest, too.
  void add(const std::string& name, const PhotoIdentity& identity);

  /// The place, in the order of adding, of the photo: among its person's by its file's digest or that of its pixels,
  /// then by its look; else among everyone's by digests; else, where nobody saw one of the two, by its name. The first
  /// added of several.
  std::optional<std::size_t> find(const std::string& name, const PhotoIdentity& identity) const;

  std::size_t size() const { return photos_.size(); }
  const std::string& name(std::size_t i) const { return photos_[i].name; }
  const PhotoIdentity& identity(std::size_t i) const { return photos_[i].identity; }

 private:
  struct Entry {
    std::string name;
    PhotoIdentity identity;
  };

  std::vector<Entry> photos_;
  std::multimap<std::string, std::size_t> by_content_;  // digests of files and of pixels
  std::map<std::string, std::size_t> by_name_;
  std::map<std::string, std::vector<std::size_t>> by_person_;
};
}  // namespace tsugi
