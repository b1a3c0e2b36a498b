// Max, average and global average pooling of a backend against the reference.
#include <doctest/doctest.h>

#include "tests/ops/backend_suite.h"
#include "tests/ops/expect.h"
#include "tests/ops/op_cases.h"
#include "tests/ops/run.h"

namespace tsugi {
namespace test {
namespace {

using Positions = std::vector<std::uint8_t>;

struct Inputs {
  PoolShape shape;
  Activation activation;
  Write write = Write::overwrite;
  Values x, y, d_y, old_d_x;
  Positions argmax;

  Inputs magnitudes() const {
    return {shape, {}, write, absolute(x), absolute(y), absolute(d_y), absolute(old_d_x), argmax};
  }
};

struct Pooled {
  Values y;
  Positions argmax;
};

enum class Argmax { keep, drop };

Pooled forward(Backend& backend, DType dtype, const Inputs& in, Argmax argmax) {
  Run run(backend, dtype);
  PoolForward op;
  op.shape = in.shape;
  op.dtype = dtype;
  op.x = run.in(in.x);
  op.y = run.out(in.shape.y_count());
  if (argmax == Argmax::keep) op.argmax = run.out_raw<std::uint8_t>(in.shape.y_count());
  backend.pool_forward(op);
  run.finish();
  return {run.read(op.y), run.read_raw(op.argmax)};
}

Values backward(Backend& backend, DType dtype, const Inputs& in) {
  const bool max = in.shape.kind == PoolKind::max, masked = in.activation.kind != ActivationKind::none;
  Run run(backend, dtype);
  PoolBackward op;
  op.shape = in.shape;
  op.dtype = dtype;
  op.d_y = run.in(in.d_y);
  if (max) op.argmax = run.in_raw(in.argmax);
  if (max && masked) op.y = run.in(in.y);
  if (!max && masked) op.x = run.in(in.x);
  op.activation = in.activation;
  op.write = in.write;
  op.d_x = run.out(in.write, in.old_d_x);
  backend.pool_backward(op);
  run.finish();
  return run.read(op.d_x);
}

void check_forward(Backend& backend, Backend& reference, DType dtype, const Inputs& in) {
  const bool max = in.shape.kind == PoolKind::max;
  const Pooled want = forward(reference, dtype, in, max ? Argmax::keep : Argmax::drop);
  const Pooled got = forward(backend, dtype, in, max ? Argmax::keep : Argmax::drop);
  if (max) {
    // A maximum is one of the inputs: nothing is rounded.
    expect_identical("y", got.y, want.y);
    expect_same("argmax", got.argmax, want.argmax);
    expect_identical("y without argmax", forward(backend, dtype, in, Argmax::drop).y, want.y);
  } else {
    const Values magnitude = forward(reference, dtype, in.magnitudes(), Argmax::drop).y;
    expect_close("y", got.y, want.y, magnitude, {dtype, kRandomSum});
  }
}

void check_backward(Backend& backend, Backend& reference, DType dtype, const Inputs& in) {
  const Values got = backward(backend, dtype, in), want = backward(reference, dtype, in);
  expect_close("d_x", got, want, backward(reference, dtype, in.magnitudes()), {dtype, kRandomSum});
  expect_identical("d_x of a second call", backward(backend, dtype, in), got);
}

Inputs draw(const PoolShape& shape, DType dtype, Random& random) {
  Inputs in;
  in.shape = shape;
  in.x = random.normal(shape.x_count(), dtype);
  in.d_y = random.normal(shape.y_count(), dtype);
  in.old_d_x = random.normal(shape.x_count(), dtype);
  return in;
}

}  // namespace

void check_pool(Backend& backend, DType dtype) {
  const std::unique_ptr<Backend> reference = make_reference_backend();
  const Activation none{}, relu{ActivationKind::relu, 0.0f}, leaky{ActivationKind::leaky_relu, 0.125f};
  Random random(3);
  for (const PoolCase& test_case : pool_cases()) {
    CAPTURE(test_case.why);
    Inputs in = draw(test_case.shape, dtype, random);
    check_forward(backend, *reference, dtype, in);
    Inputs ties = in;  // few values, so that most windows hold their maximum more than once
    ties.x.clear();
    for (const int value : random.integers<int>(in.x.size(), -2, 0)) ties.x.push_back(static_cast<float>(value));
    check_forward(backend, *reference, dtype, ties);

    if (test_case.shape.kind == PoolKind::max) {
      const Pooled pooled = forward(*reference, dtype, in, Argmax::keep);
      in.y = pooled.y;
      in.argmax = pooled.argmax;
    }
    for (const Activation& activation : {none, relu, leaky}) {
      for (const Write write : {Write::overwrite, Write::accumulate}) {
        CAPTURE(static_cast<int>(activation.kind));
        CAPTURE(static_cast<int>(write));
        in.activation = activation;
        in.write = write;
        check_backward(backend, *reference, dtype, in);
      }
    }
  }
}

}  // namespace test
}  // namespace tsugi
