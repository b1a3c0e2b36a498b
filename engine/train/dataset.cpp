// Decoding with a report of what was skipped, and choices of people.
#include "engine/train/dataset.h"

#include <algorithm>
#include <functional>
#include <map>
#include <set>

#include "engine/core/text.h"
#include "engine/train/memory_share.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace tsugi {

namespace {

/// For the rest of the process, what is freed of a block of a megabyte or more goes back at once. By itself the C
/// library raises that size with every larger block that it sees, and each decoding thread keeps what it freed.
void keep_no_large_blocks() {
#ifdef __GLIBC__
  mallopt(M_MMAP_THRESHOLD, 1 << 20);
#endif
}

/// The first broken photos, and the first without a face, with how many there are of each.
void tell_left_out(const PhotoStore& store, std::size_t photos, const std::function<void(const std::string&)>& say) {
  constexpr std::size_t kListed = 10;
  std::size_t broken = 0, faceless = 0;
  for (const BrokenPhoto& photo : store.broken()) {
    const std::size_t before = photo.faceless ? faceless++ : broken++;
    if (before >= kListed) continue;
    say(photo.faceless ? "left out " + photo.file + ": " + photo.reason
                       : "skipped broken photo " + photo.file + ": " + photo.reason);
  }
  const std::string of = " of " + std::to_string(photos);
  if (broken > 0) say("skipped " + std::to_string(broken) + " broken photos" + of);
  if (faceless > 0) say("left out " + std::to_string(faceless) + of + " photos, in which no face is found");
  const std::vector<std::string>& centred = store.centred();
  for (std::size_t i = 0; i < std::min(kListed, centred.size()); ++i)
    say("took the centre of " + centred[i] + ": no face is found in it");
  if (!centred.empty())
    say("took the centre of " + std::to_string(centred.size()) + of + " photos, in which no face is found");
}

}  // namespace

PhotoStore load_photos(const PhotoFolder& folder, const Preprocessing& preprocessing, int threads,
                       const RunObserver& observer, std::size_t memory) {
  const auto say = [&](const std::string& line) {
    if (observer.say) observer.say(line);
  };
  if (!folder.ignored.empty())
    say("ignored " + std::to_string(folder.ignored.size()) + " files that are no photos, " + folder.ignored.front() +
        " the first");
  PhotoStoreOptions options;
  options.preprocessing = preprocessing;
  options.threads = threads;
  options.progress = observer.decoding;
  options.files = observer.files;
  if (memory != 0) {
    const std::size_t side = static_cast<std::size_t>(preprocessing.stored_size),
                      pixels = folder.photos.size() * side * side * 3;
    if (pixels >= memory)
      throw Error("photos: " + std::to_string(folder.photos.size()) + " of them take " + std::to_string(pixels) +
                  " bytes, --memory leaves " + std::to_string(memory));
    options.decode_bytes = std::min<std::uint64_t>(options.decode_bytes, memory - pixels);
    keep_no_large_blocks();
  }
  PhotoStore store(folder.photos, folder.labels, options);
  say("decoding took at most " + std::to_string((store.decode_bytes() >> 20) + 1) + " MiB at a time");
  give_back_memory();  // decoders leave blocks of many sizes behind
  tell_left_out(store, folder.photos.size(), say);
  return store;
}

std::vector<int> labels_among(const PhotoFolder& folder, const std::vector<std::string>& class_names,
                              const std::string& place) {
  std::vector<int> labels;
  for (const Photo& photo : folder.photos) {
    const auto found = std::find(class_names.begin(), class_names.end(), photo.class_name);
    if (found == class_names.end())
      throw Error(place + ": holds photos of " + photo.class_name + ", who is not among the " +
                  std::to_string(class_names.size()) + " people that the checkpoint knows");
    labels.push_back(static_cast<int>(found - class_names.begin()));
  }
  return labels;
}

PhotoFolder only_people(const PhotoFolder& folder, const std::vector<std::string>& names, const std::string& place) {
  std::set<std::string> wanted;
  for (const std::string& name : names) wanted.insert(composed(name));
  for (const std::string& name : wanted)
    if (std::find(folder.class_names.begin(), folder.class_names.end(), name) == folder.class_names.end())
      throw Error(place + ": holds no photos of " + name + ", only of " + std::to_string(folder.class_names.size()) +
                  " other people");
  PhotoFolder kept;
  kept.ignored = folder.ignored;
  kept.class_names.assign(wanted.begin(), wanted.end());
  for (const Photo& photo : folder.photos) {
    const auto found = wanted.find(photo.class_name);
    if (found == wanted.end()) continue;
    kept.photos.push_back(photo);
    kept.labels.push_back(static_cast<int>(std::distance(wanted.begin(), found)));
  }
  return kept;
}

PhotoFolder with_personal(const PhotoFolder& general, const PhotoFolder& personal, const std::string& place) {
  PhotoFolder both = general;
  const auto first = static_cast<int>(general.class_names.size());
  for (const std::string& name : personal.class_names) {
    if (std::find(general.class_names.begin(), general.class_names.end(), name) != general.class_names.end())
      throw Error(place + ": " + name + " is personal, but also among the " + std::to_string(first) +
                  " general people");
    both.class_names.push_back(name);
  }
  both.photos.insert(both.photos.end(), personal.photos.begin(), personal.photos.end());
  for (const int label : personal.labels) both.labels.push_back(first + label);
  both.ignored.insert(both.ignored.end(), personal.ignored.begin(), personal.ignored.end());
  return both;
}

void check_readable(const PhotoStore& store, const std::vector<std::string>& class_names,
                    const std::vector<std::string>& people, const std::string& place) {
  for (const std::string& name : people) {
    const auto label = std::find(class_names.begin(), class_names.end(), name) - class_names.begin();
    if (std::count(store.labels().begin(), store.labels().end(), static_cast<int>(label)) == 0)
      throw Error(place + ": " + name + " has 0 photos that can be read, at least 2 are needed");
  }
}

void cap_training(Split& split, const std::vector<int>& labels, int first_class, std::size_t most) {
  if (most == 0) return;
  std::map<int, std::size_t> taken;
  const auto too_many = [&](std::uint32_t photo) {
    return labels[photo] >= first_class && taken[labels[photo]]++ >= most;
  };
  split.train.erase(std::remove_if(split.train.begin(), split.train.end(), too_many), split.train.end());
}

}  // namespace tsugi
