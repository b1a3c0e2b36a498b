// Compact storage of float32 tensors: float16, or 8-bit integers with a scale for each output channel: what
// compact checkpoints and the arrays of bundles are stored as.
#pragma once

#include <string>
#include <vector>

#include "engine/formats/safetensors.h"

namespace tsugi {

/// Throws Error that opens with `where` at a value that is not finite.
void check_finite(const std::vector<float>& values, const std::string& where);

/// float32 -> float16, or unchanged where a value would become infinite. Throws on values that are not finite.
NamedTensor to_half(const NamedTensor& tensor);

/// True for the tensors that int8 is meant for: at least 8 values for each entry of the outermost extent.
bool wants_int8(const NamedTensor& tensor);

/// float32 [k, ...] -> int8 of that shape and its scales [k], named "<name>.scale": value = integer * scale[k].
/// Symmetric: integers are -127 to 127. Quantising what was dequantised changes nothing. Throws on values that are not
/// finite.
std::vector<NamedTensor> to_int8(const NamedTensor& tensor);

/// float16 or float32 -> float32.
NamedTensor from_half(NamedTensor tensor, const std::string& place);

/// int8 and its scales -> float32. Throws when they do not fit together.
NamedTensor from_int8(const NamedTensor& tensor, const NamedTensor& scale, const std::string& place);

}  // namespace tsugi
