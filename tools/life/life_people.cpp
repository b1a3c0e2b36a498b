// Scans folders, and shuffles.
#include "tools/life/life_people.h"

#include <filesystem>
#include <random>

#include "engine/data/scan.h"
#include "kernels/api/error.h"

namespace tsugi::tools {

namespace fs = std::filesystem;

std::vector<Person> people_of(const std::string& folder) {
  std::vector<Person> people;
  const PhotoFolder scanned = scan_photos(folder, 1);
  for (std::size_t i = 0; i < scanned.photos.size(); ++i) {  // a person's stand together
    const Photo& photo = scanned.photos[i];
    if (people.empty() || people.back().name != photo.class_name)
      people.push_back({photo.class_name, fs::path(photo.path).parent_path().string(), 0});
    ++people.back().photos;
  }
  return people;
}

Person person_of(const std::string& folder) {
  const PhotoFolder scanned = scan_person(folder);
  if (scanned.class_names.size() != 1)
    throw Error(folder + ": holds photos of " + std::to_string(scanned.class_names.size()) + " people, 1 expected");
  return {scanned.class_names[0], folder, static_cast<int>(scanned.photos.size())};
}

std::vector<Person> held_back(std::vector<Person> people, std::uint64_t seed, int turn, int count) {
  std::mt19937_64 random(seed);
  for (std::size_t i = people.size(); i > 1; --i) std::swap(people[i - 1], people[random() % i]);
  const auto begin = people.begin() + (turn - 1) * count;
  return {begin, begin + count};
}

void add_strangers_of(const std::string& folder, std::vector<Person>& everybody) {
  std::vector<Person> strangers;
  for (const std::string& name : scan_strangers(folder).class_names) {
    for (const Person& person : everybody)
      if (person.name == name)
        throw Error(folder + ": " + name + " is also in " + person.folder + ", others expected as strangers");
    strangers.push_back({name, folder, 0});
  }
  everybody.insert(everybody.end(), strangers.begin(), strangers.end());
}

}  // namespace tsugi::tools
