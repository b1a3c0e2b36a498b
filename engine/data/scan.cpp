// People's photos: two levels of folders, read once and sorted; links are followed but the depth is fixed, so a loop of
// links ends nowhere. Anybody's: at any depth.
#include "engine/data/scan.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <system_error>

#include "engine/core/text.h"
#include "engine/data/photo_formats.h"
#include "kernels/api/error.h"

namespace tsugi {
namespace {

namespace fs = std::filesystem;

/// What a folder holds, each list sorted bytewise; hidden entries are left out.
struct Listing {
  std::vector<std::string> folders, photos, others;
  bool hidden = false;  ///< there are some
};

/// What macOS puts into ZIP files beside what was packed: a copy of its folders, with files of no use elsewhere.
constexpr const char* kMacosShadow = "__MACOSX";

Listing list_folder(const fs::path& dir) {
  std::error_code error;
  const fs::file_status status = fs::status(dir, error);
  if (status.type() == fs::file_type::not_found) throw Error(dir.string() + ": no such folder");
  if (!error && !fs::is_directory(status)) throw Error(dir.string() + ": is not a folder");
  fs::directory_iterator entry(dir, error), end;
  Listing listing;
  for (; !error && entry != end; entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (name[0] == '.') {
      listing.hidden = true;
      continue;
    }
    std::error_code unreadable;  // a broken link or a loop of links: listed with the others
    const fs::file_status kind = entry->status(unreadable);
    if (fs::is_directory(kind) && name != kMacosShadow)
      listing.folders.push_back(name);
    else if (fs::is_regular_file(kind) && is_photo_name(name))
      listing.photos.push_back(name);
    else
      listing.others.push_back(name);
  }
  if (error) throw Error(dir.string() + ": cannot be read: " + error.message());
  for (auto* names : {&listing.folders, &listing.photos, &listing.others}) std::sort(names->begin(), names->end());
  return listing;
}

/// check_name with what to do about what people's files really have.
void check_scanned(const std::string& name, const fs::path& dir) {
  for (std::size_t at = 0, length = 0; at < name.size(); at += length)
    if (length = utf8_length(name, at); length == 0)
      throw Error(dir.string() + ": name " + shown(name) +
                  " is not valid UTF-8; rename it, or all such names with: convmv -r --notest -f latin1 -t utf8 " +
                  dir.string());
  check_name(name, dir.string());
}

/// dir: opened by the bytes of its name, which is `folder`; the person's is composed of it.
void add_person(const fs::path& dir, const std::string& folder, const Listing& listing, PhotoFolder* result) {
  check_scanned(folder, dir.parent_path());
  const std::string name = composed(folder);
  check_name(name, dir.string());
  if (listing.photos.empty())
    throw Error(dir.string() + ": holds no photo (" + readable_endings() + ")" +
                (listing.folders.empty() ? "; put photos into it, or remove it"
                                         : " but folders (" + listing.folders.front() +
                                               "); a person's photos are expected in one folder, move them up"));
  for (const std::string& file : listing.photos) {
    check_scanned(file, dir);
    result->photos.push_back({name, name + "/" + file, (dir / file).string(), nullptr});
    result->labels.push_back(static_cast<int>(result->class_names.size()));
  }
  result->class_names.push_back(name);
  for (const auto* names : {&listing.others, &listing.folders})
    for (const std::string& entry : *names) result->ignored.push_back(name + "/" + entry);
}

/// Throws where `dir` holds no folder of a person: loose photos, nothing, or such folders one level further down, as
/// in a data set of train/ and val/.
void check_level(const fs::path& dir, const Listing& listing, const std::vector<Listing>& people) {
  if (listing.folders.empty()) {
    const std::size_t entries = listing.photos.size() + listing.others.size();
    throw Error(dir.string() +
                (entries > 0       ? ": holds " + std::to_string(listing.photos.size()) + " photos but no folder"
                 : !listing.hidden ? ": is empty"
                                   : ": holds nothing but hidden entries, which are left out") +
                ", expected a folder of photos for each person");
  }
  bool deeper = false;
  for (const Listing& person : people) {
    if (!person.photos.empty()) return;
    deeper = deeper || !person.folders.empty();
  }
  if (deeper)
    throw Error(dir.string() + ": its folders hold no photos but folders, as " + listing.folders.front() +
                " does; name the folder that holds a folder of photos for each person: " +
                (dir / listing.folders.front()).string() +
                (listing.folders.size() > 1 ? " or " + (dir / listing.folders.back()).string() : ""));
}

/// Sorts folders by the names of their people. Throws where two are one person's.
void sort_by_person(const fs::path& dir, std::vector<std::string>& folders) {
  std::sort(folders.begin(), folders.end(),
            [](const std::string& a, const std::string& b) { return composed(a) < composed(b); });
  const auto twice = std::adjacent_find(folders.begin(), folders.end(), [](const std::string& a, const std::string& b) {
    return composed(a) == composed(b);
  });
  if (twice != folders.end())
    throw Error(dir.string() + ": " + composed(*twice) + " has two folders, " + spelled_out(*twice) + " and " +
                spelled_out(*(twice + 1)) + ", whose names look the same; one expected, with the photos of both");
}

PhotoFolder scan_listed(const fs::path& dir, Listing listing, int min_classes) {
  sort_by_person(dir, listing.folders);
  const std::size_t found = listing.folders.size();
  std::vector<Listing> people;
  for (const std::string& name : listing.folders) people.push_back(list_folder(dir / name));
  check_level(dir, listing, people);
  PhotoFolder result;
  for (std::size_t i = 0; i < found; ++i) add_person(dir / listing.folders[i], listing.folders[i], people[i], &result);
  if (found < static_cast<std::size_t>(std::max(min_classes, 1))) {
    throw Error(dir.string() + ": holds " + std::to_string(found) + (found == 1 ? " person" : " people") +
                ", at least " + std::to_string(min_classes) + " are needed");
  }
  for (const auto* names : {&listing.photos, &listing.others})
    result.ignored.insert(result.ignored.end(), names->begin(), names->end());
  return result;
}

/// The folder's own name, also for "photos/", "." and links.
std::string folder_name(const fs::path& dir) {
  std::error_code error;
  fs::path path = fs::absolute(dir, error).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  return path.filename().string();
}

/// seen: the folders that were listed, without links: links to one another must not multiply them.
void add_below(const fs::path& dir, std::set<fs::path>& seen, PhotosBelow& found) {
  std::error_code error;
  if (!seen.insert(fs::canonical(dir, error)).second) return;
  Listing listing;
  try {
    listing = list_folder(dir);
  } catch (const Error& unreadable) {
    found.unreadable.emplace_back(unreadable.what());
    return;
  }
  for (const std::string& name : listing.photos) found.photos.push_back((dir / name).string());
  for (const std::string& name : listing.folders) add_below(dir / name, seen, found);
}

}  // namespace

PhotoFolder scan_photos(const std::string& dir, int min_classes) {
  return scan_listed(dir, list_folder(dir), min_classes);
}

PhotosBelow photos_below(const std::string& dir) {
  PhotosBelow found;
  std::set<fs::path> seen;
  add_below(dir, seen, found);
  return found;
}

PhotoFolder scan_person(const std::string& dir) {
  const Listing listing = list_folder(dir);
  if (listing.photos.empty() && listing.folders.empty() && !listing.others.empty())
    throw Error(dir + ": holds no photo (" + readable_endings() + ") and no folder of photos");
  if (listing.photos.empty()) return scan_listed(dir, listing, 1);
  PhotoFolder result;
  add_person(dir, folder_name(dir), listing, &result);
  return result;
}

PhotoFolder scan_strangers(const std::string& dir) {
  const Listing listing = list_folder(dir);
  std::vector<std::string> people = listing.folders;
  people.insert(people.end(), listing.photos.begin(), listing.photos.end());
  std::sort(people.begin(), people.end());
  PhotoFolder result;
  for (const std::string& name : people) {
    if (std::binary_search(listing.folders.begin(), listing.folders.end(), name)) {
      add_person(fs::path(dir) / name, name, list_folder(fs::path(dir) / name), &result);
      continue;
    }
    check_scanned(name, dir);
    result.photos.push_back({name, name + "/" + name, (fs::path(dir) / name).string(), nullptr});
    result.labels.push_back(static_cast<int>(result.class_names.size()));
    result.class_names.push_back(name);
  }
  result.ignored.insert(result.ignored.end(), listing.others.begin(), listing.others.end());
  if (people.empty()) throw Error(dir + ": holds no photo (" + readable_endings() + ") and no folder of photos");
  return result;
}

}  // namespace tsugi
