// The JSON descriptions that ship inside the library.
#pragma once

namespace tsugi {

struct BuiltinModel {
  const char* name;
  const char* json;
};

extern const BuiltinModel kBuiltinModels[3];  ///< the first is the default

}  // namespace tsugi
