// The passes: fill the op struct around guarded buffers, call, read back.
#include "tests/ops/conv2d_passes.h"

#include <utility>

#include "tests/ops/expect.h"
#include "tests/ops/run.h"

namespace tsugi {
namespace test {

Conv2dInputs draw_conv2d(const Conv2dShape& shape, DType dtype, Random& random) {
  const std::size_t filters = static_cast<std::size_t>(shape.k);
  Conv2dInputs in;
  in.shape = shape;
  in.x = random.normal(shape.x_count(), dtype);
  in.w = random.normal(shape.w_count(), dtype);
  in.bias = random.normal(filters, DType::f32);
  in.d_y = random.normal(shape.y_count(), dtype);
  in.old_d_x = random.normal(shape.x_count(), dtype);
  in.old_d_w = random.normal(shape.w_count(), DType::f32);
  in.old_d_bias = random.normal(filters, DType::f32);
  return in;
}

Values conv2d_forward(Backend& backend, DType dtype, const Conv2dInputs& in, Values* saved) {
  Run run(backend, dtype);
  Conv2dForward op;
  op.shape = in.shape;
  op.dtype = dtype;
  op.x = run.in(in.x);
  run.shift(in.shifted_parameters ? 1 : 0);
  op.w = run.in(in.w);
  op.bias = run.in_f32(in.bias);
  run.shift(0);
  op.activation = in.activation;
  op.y = run.out(in.shape.y_count());
  if (saved != nullptr) op.saved = run.out(in.shape.y_count());
  op.workspace = run.workspace(backend.workspace_bytes(in.shape, dtype));
  backend.conv2d_forward(op);
  run.finish();
  if (saved != nullptr) *saved = run.read(op.saved);
  return run.read(op.y);
}

Values conv2d_backward_data(Backend& backend, DType dtype, const Conv2dInputs& in) {
  Run run(backend, dtype);
  Conv2dBackwardData op;
  op.shape = in.shape;
  op.dtype = dtype;
  op.d_y = run.in(in.d_y);
  run.shift(in.shifted_parameters ? 1 : 0);
  op.w = run.in(in.w);
  run.shift(0);
  op.saved = in.activation.kind == ActivationKind::none ? nullptr : run.in(in.x);
  op.activation = in.activation;
  op.write = in.write;
  op.d_x = run.out(in.write, in.old_d_x);
  op.workspace = run.workspace(backend.workspace_bytes(in.shape, dtype));
  backend.conv2d_backward_data(op);
  run.finish();
  return run.read(op.d_x);
}

Values conv2d_data_magnitude(Backend& reference, DType dtype, const Conv2dInputs& in) {
  Values magnitude = conv2d_backward_data(reference, dtype, in.magnitudes());
  if (in.write == Write::overwrite) return magnitude;
  Conv2dInputs sum = in;
  sum.write = Write::overwrite;
  return rounded_before_adding(std::move(magnitude), conv2d_backward_data(reference, dtype, sum), dtype);
}

Conv2dWeightGradients conv2d_backward_weight(Backend& backend, DType dtype, const Conv2dInputs& in) {
  Run run(backend, dtype);
  Conv2dBackwardWeight op;
  op.shape = in.shape;
  op.dtype = dtype;
  op.x = run.in(in.x);
  op.d_y = run.in(in.d_y);
  op.write = in.write;
  run.shift(in.shifted_parameters ? 1 : 0);
  op.d_w = run.out_f32(in.write, in.old_d_w);
  if (!in.old_d_bias.empty()) op.d_bias = run.out_f32(in.write, in.old_d_bias);
  run.shift(0);
  op.workspace = run.workspace(backend.workspace_bytes(in.shape, dtype));
  backend.conv2d_backward_weight(op);
  run.finish();
  return {run.read_f32(op.d_w), run.read_f32(op.d_bias)};
}

}  // namespace test
}  // namespace tsugi
