// The naive double-precision oracle: every op as plain loops that read as its definition. It is what all backends are
// checked against, and through make_reference_backend() the fallback where the build has no oneDNN.
#pragma once

#include "kernels/api/backend.h"

namespace tsugi {
namespace reference {

// Each function is the definition in kernels/api of the struct that it takes. The template argument is the type of the
// elements behind the struct's void pointers, whatever its `dtype` says: double (gradient checks), float, Bfloat16 or
// Float16. Everything is computed in double and rounded once, when stored. Arguments are not checked here: validate(op)
// first. All pointers are host memory; workspaces are not used.

// softmax_cross_entropy throws Error on a label outside [0, classes).

#define TSUGI_OP(name, Op) \
  template <typename T>    \
  void name(const Op& op);
TSUGI_TYPED_OPS(TSUGI_OP)
#undef TSUGI_OP

/// Between float, Bfloat16 and Float16, any way, and from each to itself.
template <typename From, typename To>
void cast(const Cast& op);

void gradient_norm(const GradientNorm& op);
/// The update structs hold float32; their compute copy may be f32, bf16 or f16.
void sgd_update(const SgdUpdate& op);
void adam_update(const AdamUpdate& op);

}  // namespace reference
}  // namespace tsugi
