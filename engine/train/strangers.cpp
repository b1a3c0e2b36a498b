// Strangers behind the people: their labels, their photos, and how a checkpoint gets rid of them.
#include "engine/train/strangers.h"

#include <algorithm>

#include "engine/core/text.h"
#include "engine/data/photo_index.h"
#include "kernels/api/error.h"

namespace tsugi {

void add_strangers(PhotoFolder& folder, const PhotoFolder& strangers, const std::string& place) {
  const std::vector<std::string>& people = folder.class_names;
  for (const std::string& name : strangers.class_names)
    if (contains(people, name))
      throw Error(place + ": " + name + " is one of the " + std::to_string(people.size()) +
                  " people to learn, strangers expected; take the folder out of one of the two");
  for (const int label : strangers.labels) folder.labels.push_back(static_cast<int>(people.size()) + label);
  folder.photos.insert(folder.photos.end(), strangers.photos.begin(), strangers.photos.end());
  folder.ignored.insert(folder.ignored.end(), strangers.ignored.begin(), strangers.ignored.end());
}

std::vector<std::uint32_t> strangers_photos(const PhotoStore& store, std::size_t first, const std::string& place,
                                            const RunObserver& observer) {
  PhotoIndex known;
  for (std::size_t i = 0; i < first; ++i) known.add(store.photo(i).file, store.identity(i));
  std::vector<std::uint32_t> photos;
  std::string somebody;
  for (std::size_t i = first; i < store.size(); ++i) {
    const std::optional<std::size_t> same = known.find(store.photo(i).file, store.identity(i));
    if (!same)
      photos.push_back(static_cast<std::uint32_t>(i));
    else if (somebody.empty())
      somebody = store.photo(i).file + " is " + known.name(*same);
  }
  if (somebody.empty() && !photos.empty()) return photos;
  const std::size_t all = store.size() - first;
  const std::string left_out = std::to_string(all - photos.size()) + " of the " + std::to_string(all) +
                               " photos of strangers are those of people to learn" +
                               (somebody.empty() ? "" : ", " + somebody + " the first");
  if (photos.empty()) throw Error(place + ": " + left_out + "; others expected");
  if (observer.say) observer.say(place + ": " + left_out + ": they are left out");
  return photos;
}

void forget_strangers(Checkpoint& checkpoint) {
  checkpoint.strangers.clear();
  const std::vector<std::string> names = checkpoint.train_photos;
  // Lists of digests and prints are as long or empty.
  for (auto* list : {&checkpoint.train_digests, &checkpoint.train_prints, &checkpoint.train_photos}) {
    std::vector<std::string> kept;
    for (std::size_t i = 0; i < list->size(); ++i)
      if (contains(checkpoint.class_names, class_of(names[i]))) kept.push_back((*list)[i]);
    *list = std::move(kept);
  }
}

}  // namespace tsugi
