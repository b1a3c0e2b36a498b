// Looks photos up by digests, by look and by name.
#include "engine/data/photo_index.h"

#include "engine/data/photo_identity.h"

namespace tsugi {

void PhotoIndex::add(const std::string& name, const PhotoIdentity& identity) {
  const std::size_t place = photos_.size();
  photos_.push_back({name, identity});
  for (const std::string* digest : {&identity.file, &identity.pixels})
    if (!digest->empty()) by_content_.emplace(*digest, place);
  by_name_.emplace(name, place);
  by_person_[class_of(name)].push_back(place);
}

std::optional<std::size_t> PhotoIndex::find(const std::string& name, const PhotoIdentity& identity) const {
  const std::string person = class_of(name);
  std::optional<std::size_t> another;
  for (const std::string* digest : {&identity.file, &identity.pixels}) {
    const auto [begin, end] = by_content_.equal_range(*digest);
    for (auto found = begin; found != end; ++found) {
      if (class_of(photos_[found->second].name) == person) return found->second;
      if (!another) another = found->second;
    }
  }
  if (const auto own = by_person_.find(person); own != by_person_.end())
    for (const std::size_t i : own->second)
      if (looks_alike(photos_[i].identity.look, identity.look)) return i;
  if (another) return another;
  const auto named = by_name_.find(name);
  if (named == by_name_.end()) return std::nullopt;
  const bool both_seen = !identity.pixels.empty() && !photos_[named->second].identity.pixels.empty();
  return both_seen ? std::nullopt : std::optional(named->second);
}

}  // namespace tsugi
