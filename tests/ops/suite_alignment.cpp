// Where memory must lie (types.h): what is not aligned is refused by its name before a kernel touches it, and what
// needs no more than its element's alignment computes from there.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "tests/ops/backend_suite.h"

namespace tsugi {
namespace test {
namespace {

constexpr std::size_t kBytes = 1 << 16;  // of each tensor, all of them small

/// Zeroed memory, all of it released with the object.
class Memory {
 public:
  explicit Memory(Backend& backend) : backend_(backend) {}
  ~Memory() {
    for (void* block : blocks_) backend_.release(block);
  }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  template <typename T>
  void give(T*& pointer, std::size_t bytes = kBytes) {
    blocks_.push_back(backend_.allocate(bytes));
    backend_.fill_zero(blocks_.back(), bytes);
    pointer = static_cast<T*>(blocks_.back());
  }

 private:
  Backend& backend_;
  std::vector<void*> blocks_;
};

template <typename Op>
struct Pointer {
  const char* name;
  std::size_t alignment;
  void (*move)(Op&, std::size_t bytes);
};

template <typename T>
void advance(T*& pointer, std::size_t bytes) {
  pointer = reinterpret_cast<T*>(reinterpret_cast<std::uintptr_t>(pointer) + bytes);
}

template <typename Op>
void check_pointers(Backend& backend, const std::string& name, void (Backend::*call)(const Op&), const Op& good,
                    const std::vector<Pointer<Op>>& pointers) {
  for (const Pointer<Op>& pointer : pointers) {
    CAPTURE(name);
    CAPTURE(pointer.name);
    for (std::size_t past = 1; past < pointer.alignment; past *= 2) {
      Op op = good;
      pointer.move(op, past);
      std::string message;
      try {
        (backend.*call)(op);
      } catch (const Error& error) {
        message = error.what();
      }
      CHECK(message == name + ": " + pointer.name + " lies " + std::to_string(past) + " bytes past a multiple of " +
                           std::to_string(pointer.alignment) + ", expected one aligned to " +
                           std::to_string(pointer.alignment) + " bytes");
    }
    Op op = good;
    pointer.move(op, pointer.alignment);
    CHECK_NOTHROW((backend.*call)(op));
    CHECK_NOTHROW(backend.synchronize());
  }
}

#define TSUGI_POINTER(Op, member, alignment)                                          \
  Pointer<Op> {                                                                       \
#member, alignment, [](Op & op, std::size_t bytes) { advance(op.member, bytes); } \
  }

/// Forward, ForwardData and ForwardWeight of a convolution or a dense layer, which name their tensors alike.
template <typename Forward, typename BackwardData, typename BackwardWeight, typename Shape>
void check_layer(Backend& backend, DType dtype, const std::string& layer, const Shape& shape,
                 void (Backend::*forward)(const Forward&), void (Backend::*backward_data)(const BackwardData&),
                 void (Backend::*backward_weight)(const BackwardWeight&)) {
  const std::size_t rows = row_alignment(dtype), element = size_of(dtype),
                    workspace = backend.workspace_bytes(shape, dtype) + kWorkspaceAlignment;
  Memory memory(backend);
  Forward f;
  f.shape = shape;
  f.dtype = dtype;
  f.activation.kind = ActivationKind::silu;
  memory.give(f.saved), memory.give(f.x), memory.give(f.w), memory.give(f.bias), memory.give(f.y),
      memory.give(f.workspace, workspace);
  check_pointers<Forward>(
      backend, layer + "_forward", forward, f,
      {TSUGI_POINTER(Forward, x, rows), TSUGI_POINTER(Forward, w, element), TSUGI_POINTER(Forward, bias, 4),
       TSUGI_POINTER(Forward, y, rows), TSUGI_POINTER(Forward, saved, rows),
       TSUGI_POINTER(Forward, workspace, kWorkspaceAlignment)});
  BackwardData d;
  d.shape = shape;
  d.dtype = dtype;
  d.activation.kind = ActivationKind::relu;
  memory.give(d.d_y), memory.give(d.w), memory.give(d.saved), memory.give(d.d_x), memory.give(d.workspace, workspace);
  check_pointers<BackwardData>(backend, layer + "_backward_data", backward_data, d,
                               {TSUGI_POINTER(BackwardData, d_y, rows), TSUGI_POINTER(BackwardData, w, element),
                                TSUGI_POINTER(BackwardData, saved, rows), TSUGI_POINTER(BackwardData, d_x, rows),
                                TSUGI_POINTER(BackwardData, workspace, kWorkspaceAlignment)});
  BackwardWeight w;
  w.shape = shape;
  w.dtype = dtype;
  memory.give(w.x), memory.give(w.d_y), memory.give(w.d_w), memory.give(w.d_bias), memory.give(w.workspace, workspace);
  check_pointers<BackwardWeight>(backend, layer + "_backward_weight", backward_weight, w,
                                 {TSUGI_POINTER(BackwardWeight, x, rows), TSUGI_POINTER(BackwardWeight, d_y, rows),
                                  TSUGI_POINTER(BackwardWeight, d_w, 4), TSUGI_POINTER(BackwardWeight, d_bias, 4),
                                  TSUGI_POINTER(BackwardWeight, workspace, kWorkspaceAlignment)});
}

}  // namespace

void check_alignment(Backend& backend, DType dtype) {
  // Channels in eights, which the widest kernels take, and a width that they do not.
  for (const int channels : {16, 12}) {
    CAPTURE(channels);
    check_layer(backend, dtype, "conv2d", Conv2dShape{2, 5, 5, channels, channels, 3, 3, 1, 1, 1, 1, 1},
                &Backend::conv2d_forward, &Backend::conv2d_backward_data, &Backend::conv2d_backward_weight);
    check_layer(backend, dtype, "dense", DenseShape{3, channels, channels}, &Backend::dense_forward,
                &Backend::dense_backward_data, &Backend::dense_backward_weight);
  }
  const std::size_t element = size_of(dtype);
  Memory memory(backend);
  AddForward add;
  add.count = 24;
  add.dtype = dtype;
  memory.give(add.a), memory.give(add.b), memory.give(add.y);
  check_pointers<AddForward>(backend, "add_forward", &Backend::add_forward, add,
                             {TSUGI_POINTER(AddForward, a, element), TSUGI_POINTER(AddForward, b, element),
                              TSUGI_POINTER(AddForward, y, element)});
  PoolForward pool;
  pool.shape = {1, 4, 4, 8, 2, 2, 2, 2, 0, 0, PoolKind::average};
  pool.dtype = dtype;
  memory.give(pool.x), memory.give(pool.y);
  check_pointers<PoolForward>(backend, "pool_forward", &Backend::pool_forward, pool,
                              {TSUGI_POINTER(PoolForward, x, element), TSUGI_POINTER(PoolForward, y, element)});
  SoftmaxCrossEntropy loss;
  loss.n = 3;
  loss.classes = 4;
  loss.dtype = dtype;
  memory.give(loss.logits), memory.give(loss.labels), memory.give(loss.sample_loss), memory.give(loss.predicted),
      memory.give(loss.d_logits);
  check_pointers<SoftmaxCrossEntropy>(
      backend, "softmax_cross_entropy", &Backend::softmax_cross_entropy, loss,
      {TSUGI_POINTER(SoftmaxCrossEntropy, logits, element), TSUGI_POINTER(SoftmaxCrossEntropy, labels, 4),
       TSUGI_POINTER(SoftmaxCrossEntropy, sample_loss, 4), TSUGI_POINTER(SoftmaxCrossEntropy, predicted, 4),
       TSUGI_POINTER(SoftmaxCrossEntropy, d_logits, element)});
}

}  // namespace test
}  // namespace tsugi
