// The JSON descriptions that ship inside the library: model/builtin/*.json, as users could have written them
// themselves. faces-mobile after Howard et al., "MobileNets", 2017; faces-resnet after He et al., "Deep residual
// learning", CVPR 2016, with average pooling in its shortcuts (He et al., "Bag of tricks", CVPR 2019).
#pragma once

namespace tsugi {

struct BuiltinModel {
  const char* name;
  const char* json;
};

extern const BuiltinModel kBuiltinModels[3];  ///< the first is the default

}  // namespace tsugi
