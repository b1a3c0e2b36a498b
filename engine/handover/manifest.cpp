// The manifest's JSON, and the names that members of a bundle may have.
#include "engine/handover/manifest.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "engine/core/json_value.h"
#include "engine/core/sha256.h"
#include "engine/core/text.h"
#include "engine/handover/subset.h"
#include "kernels/api/error.h"

namespace tsugi {
namespace {

using nlohmann::json;

constexpr const char* kFormat = "tsugi-bundle";
constexpr int kVersion = 1;
constexpr const char* kTensorsFolder = "tensors/";
constexpr const char* kTensorsEnding = ".safetensors";

bool usable(const std::string& part) {
  constexpr std::size_t kLongest = 255;
  return !part.empty() && part.size() <= kLongest && part != "." && part != ".." &&
         std::none_of(part.begin(), part.end(),
                      [](char c) { return c == '/' || static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

json to_json(const ManifestMember& member) {
  return {{"name", member.name}, {"size", member.size}, {"sha256", member.sha256}, {"role", member.role}};
}

bool starts_with(const std::string& text, const std::string& start) {
  return text.compare(0, start.size(), start) == 0;
}

std::string role_of(const std::string& name, const std::string& place) {
  if (name == kCheckpointName) return "checkpoint";
  if (starts_with(name, kTensorsFolder)) {
    parse_tensors_name(name, place);
    return "tensors";
  }
  return parse_photo_name(name, place).test ? "test" : "train";
}

bool is_photo(const ManifestMember& member) { return member.role == "train" || member.role == "test"; }

ManifestMember parse_member(const JsonValue& item) {
  ManifestMember member;
  member.name = item.at("name").text();
  const JsonValue named(item.json(), item.place() + " (" + shown(member.name) + ")");
  member.size = named.at("size").whole<std::uint64_t>();
  member.sha256 = named.at("sha256").text();
  member.role = named.at("role").text();
  if (!is_sha256_hex(member.sha256)) named.at("sha256").refuse("64 lower-case hex digits");
  const std::string role = role_of(member.name, item.place());
  if (member.role != role) named.at("role").refuse(shown(role));
  return member;
}

void check_members(const std::vector<ManifestMember>& members, const std::string& place) {
  if (members.empty() || members[0].name != kCheckpointName)
    throw Error(place + ": the first member is " + (members.empty() ? "missing" : shown(members[0].name)) + ", " +
                shown(kCheckpointName) + " expected");
  std::set<std::string> names;
  std::set<std::string> photos;  // without the folder that says what they are for
  std::string last_photo;
  for (const auto& member : members) {
    if (!names.insert(member.name).second)
      throw Error(place + ": member " + shown(member.name) + " stands twice, once expected");
    if (member.role == "tensors" && !last_photo.empty())
      throw Error(place + ": member " + shown(member.name) + " comes after photo " + shown(last_photo) +
                  ", before all photos expected");
    if (is_photo(member)) last_photo = member.name;
    if (is_photo(member) && !photos.insert(member.name.substr(member.name.find('/'))).second)
      throw Error(place + ": photo " + shown(member.name) + " is for training and for testing, one expected");
  }
}

Manifest from_json(const JsonValue& root) {
  Manifest manifest;
  if (root.at("format").json() != kFormat) root.at("format").refuse(shown(kFormat));
  if (root.at("version").json() != kVersion) root.at("version").refuse(std::to_string(kVersion));
  try {
    manifest.strategy = name_of(subset_strategy(root.at("strategy").text()));
  } catch (const Error& error) {
    root.fail(error.what());
  }
  manifest.fraction = root.at("fraction").number(0.0, 1.0);
  manifest.seed = root.at("seed").whole<std::uint64_t>();
  manifest.model_sha256 = root.at("model_sha256").text();
  manifest.class_names = root.at("class_names").texts();
  for (std::string& name : manifest.class_names) name = composed(name);  // older versions wrote the folders' names
  for (const JsonValue& item : root.objects("members")) manifest.members.push_back(parse_member(item));
  check_members(manifest.members, root.place());
  return manifest;
}

}  // namespace

std::string photo_member_name(const std::string& class_name, const std::string& file, bool test) {
  return std::string(test ? "test/" : "photos/") + class_name + "/" + file;
}

std::string tensors_member_name(const std::string& name) { return kTensorsFolder + name + kTensorsEnding; }

std::string parse_tensors_name(const std::string& member, const std::string& place) {
  constexpr std::size_t kLongest = 64;
  const std::size_t begin = std::string(kTensorsFolder).size(), ending = std::string(kTensorsEnding).size();
  if (starts_with(member, kTensorsFolder) && member.size() > begin + ending &&
      member.compare(member.size() - ending, ending, kTensorsEnding) == 0) {
    const std::string name = member.substr(begin, member.size() - begin - ending);
    if (name.size() <= kLongest &&
        name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_-") == std::string::npos)
      return name;
  }
  throw Error(place + ": member is named " + shown(member) +
              ", tensors/<name>.safetensors with a name of 1 to 64 of a-z 0-9 _ - expected");
}

PhotoName parse_photo_name(const std::string& name, const std::string& place) {
  PhotoName photo;
  const auto first = name.find('/');
  const auto second = first == std::string::npos ? first : name.find('/', first + 1);
  if (second != std::string::npos) {
    const std::string folder = name.substr(0, first);
    photo.test = folder == "test";
    photo.class_name = composed(name.substr(first + 1, second - first - 1));
    photo.file = name.substr(second + 1);
    if ((photo.test || folder == "photos") && usable(photo.class_name) && usable(photo.file)) return photo;
  }
  throw Error(place + ": member is named " + shown(name) + ", photos/<class>/<file> or test/<class>/<file> expected");
}

std::string format_manifest(const Manifest& manifest) {
  const json head = {{"format", kFormat},
                     {"version", kVersion},
                     {"strategy", manifest.strategy},
                     {"fraction", manifest.fraction},
                     {"seed", manifest.seed},
                     {"model_sha256", manifest.model_sha256},
                     {"class_names", manifest.class_names}};
  try {
    std::string text = head.dump();
    text.back() = ',';
    text += "\n\"members\":[\n";
    for (std::size_t i = 0; i < manifest.members.size(); ++i)
      text += to_json(manifest.members[i]).dump() + (i + 1 < manifest.members.size() ? ",\n" : "\n");
    return text + "]}\n";
  } catch (const json::exception&) {
    throw Error("bundle: the name of a class or of a photo is not UTF-8, UTF-8 expected");
  }
}

Manifest parse_manifest(const std::string& text, const std::string& place) {
  const Json json = parse_json_object(text, place);
  return from_json(JsonValue(json, place));
}

}  // namespace tsugi
