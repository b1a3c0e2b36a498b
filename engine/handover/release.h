// A server's next release: what a device knows of its personal people joins it without their photos. Features of the
// new network are foreseen from those of the old one by a linear map, which the server fits on its own photos, seen by
// both, and which travels in the bundle as tensors/previous.safetensors. Sources: Hoerl & Kennard, "Ridge regression",
// Technometrics 1970; Iscen et al., "Memory-efficient incremental learning through feature adaptation", ECCV 2020.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/handover/bundle.h"
#include "engine/handover/people_statistics.h"

namespace tsugi {

/// The name of the bundle's file of arrays.
inline constexpr const char* kPreviousName = "previous";

/// new = matrix old + shift.
struct FeatureMap {
  std::string weights;  ///< weights_sha256 of the release that it starts from
  std::size_t from = 0, to = 0;
  std::vector<float> matrix, shift;  ///< [to, from], [to]

  /// features: [samples, from]. Returns [samples, to].
  std::vector<float> apply(const std::vector<float>& features) const;
};

/// The ridge regression of `now` [samples, to] on `old` [samples, from], host, of the same samples. Throws Error when
/// there is no sample, when the sizes do not fit, and on values that are not finite.
FeatureMap fit_feature_map(const std::vector<float>& old, std::size_t from, const std::vector<float>& now,
                           std::size_t to);

SafetensorsFile write_feature_map(const FeatureMap& map);

/// The map of a bundle, whose features have `width` values; nothing when it carries none. `place`, the bundle's name,
/// opens every message. Throws Error naming the array and both values on anything but these arrays, finite.
std::optional<FeatureMap> read_feature_map(const Bundle& bundle, std::size_t width, const std::string& place);

/// Personal people of `device`, a checkpoint that lives by statistics, as the release in `bundle` will see them; those
/// of `photos`, whose photos are at hand, are left out. width: of the release's features; place, device_place: the
/// names of the two files. Throws Error naming both where the device holds no statistics, or was handed another release
/// than the one that the map starts from, and naming the person where the release knows one of that name.
std::vector<PersonalPerson> carried_people(const Checkpoint& device, const std::string& device_place,
                                           const Bundle& bundle, std::size_t width, const std::string& place,
                                           const std::vector<std::string>& photos);

}  // namespace tsugi
