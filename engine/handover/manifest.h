// manifest.json, the first member of a bundle: what the bundle is, and the size and digest of every other member.
// Internal to engine/handover.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tsugi {

inline constexpr const char* kManifestName = "manifest.json";
inline constexpr const char* kCheckpointName = "checkpoint.safetensors";

struct ManifestMember {
  std::string name;  ///< path in the archive
  std::uint64_t size = 0;
  std::string sha256;
  std::string role;  ///< "checkpoint", "tensors", "train" or "test"
};

struct Manifest {
  std::string strategy;
  double fraction = 0.0;
  std::uint64_t seed = 0;
  std::string model_sha256;  ///< of the model description's text
  std::vector<std::string> class_names;
  std::vector<ManifestMember> members;  ///< in the archive's order
};

/// The JSON text, one member a line. Throws when a name is not UTF-8.
std::string format_manifest(const Manifest& manifest);

/// Reads such text. Throws, with `place`, on anything missing, unknown, malformed or out of range, on duplicate
/// members, and on member names that are not those of their role.
Manifest parse_manifest(const std::string& text, const std::string& place);

/// "photos/<class>/<file>" or, for test photos, "test/<class>/<file>".
std::string photo_member_name(const std::string& class_name, const std::string& file, bool test);

/// "tensors/<name>.safetensors".
std::string tensors_member_name(const std::string& name);

/// The <name> of such a member name: 1 to 64 of a-z 0-9 _ -. Throws, with `place`, on anything else.
std::string parse_tensors_name(const std::string& member, const std::string& place);

/// Splits a photo's member name. Throws, with `place`, on anything else: other folders, absolute names, "..", control
/// characters.
struct PhotoName {
  std::string class_name;
  std::string file;
  bool test = false;
};
PhotoName parse_photo_name(const std::string& name, const std::string& place);

}  // namespace tsugi
