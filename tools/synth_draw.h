// Photos of people who do not exist, for trying everything with no data: who they are is in the face, hair and colours;
// pose, light, expression, background, blur and noise differ from photo to photo.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tsugi::tools {

/// Draws one photo. person: number of the person; photo: number of the photo, from 0; size: pixels a side, 32 to 1024.
/// Returns [size,size,3] RGB, the same for the same arguments.
std::vector<std::uint8_t> draw_person_photo(std::uint64_t seed, std::uint32_t person, std::uint32_t photo, int size);

/// Writes OUT/<name>/<name>_0001.jpg ... for the people first_person .. first_person + people - 1. OUT is made, and
/// appears when all are drawn; when it exists it must be an empty folder. What was written is removed when something
/// fails. Throws Error when an argument is out of range, OUT is not empty, or a file cannot be written.
void write_synthetic_people(const std::string& out, int people, int photos, std::uint64_t seed, int size,
                            int first_person);

}  // namespace tsugi::tools
