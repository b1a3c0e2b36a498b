// Who takes part in a life: people of the folder, those of them whom a server does without, and others.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tsugi::tools {

struct Person {
  std::string name, folder;
  int photos = 0;
};

/// Of a folder of people, by name. Throws as scan_photos.
std::vector<Person> people_of(const std::string& folder);

/// Of one person's folder. Throws Error naming it when it holds other than one person.
Person person_of(const std::string& folder);

/// The `count` people whom the server of a turn (from 1) does without: by a shuffle that is the seed's alone.
std::vector<Person> held_back(std::vector<Person> people, std::uint64_t seed, int turn, int count);

/// Adds the strangers of a folder to everybody who takes part. Throws Error naming the folder and one who does already.
void add_strangers_of(const std::string& folder, std::vector<Person>& everybody);

}  // namespace tsugi::tools
