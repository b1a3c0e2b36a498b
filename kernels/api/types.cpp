// Names of element types, for messages and files.
#include "kernels/api/types.h"

namespace tsugi {

const char* name_of(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return "f32";
    case DType::f16:
      return "f16";
    case DType::bf16:
      return "bf16";
    case DType::i8:
      return "i8";
    case DType::u8:
      return "u8";
  }
  return "unknown";
}

}  // namespace tsugi
