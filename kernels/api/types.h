// Element types, and the small enums that op structs share. Plain C++14: CUDA compilers read this file too.
#pragma once

#include <cstddef>
#include <cstdint>

#if defined(__CUDACC__)
#define TSUGI_HOST_DEVICE __host__ __device__
#else
#define TSUGI_HOST_DEVICE
#endif

namespace tsugi {

/// Element type of a tensor in memory. Arithmetic accumulates in float32 (float64 in the reference).
enum class DType : std::uint8_t { f32, f16, bf16, i8, u8 };

/// Bytes of one element.
constexpr std::size_t size_of(DType dtype) {
  return dtype == DType::f32 ? 4 : (dtype == DType::f16 || dtype == DType::bf16) ? 2 : 1;
}

/// "f32", "f16", "bf16", "i8", "u8".
inline const char* name_of(DType dtype) {
  const char* const names[] = {"f32", "f16", "bf16", "i8", "u8"};
  return dtype <= DType::u8 ? names[static_cast<int>(dtype)] : "unknown";
}

/// Where memory that ops are given must lie; validate() checks it. Every pointer is a multiple of its element's size:
/// parameters, their gradients, tables and indices need no more. Kernels read float16 eight at a time, so in f16 the
/// activations of convolutions and dense layers (x, y and their gradients) are multiples of 16 bytes. The CPU's vectors
/// are 64 bytes, and so aligned is every workspace. Other tensors are read as wide as they allow: what allocate() gave
/// is fastest.
constexpr std::size_t row_alignment(DType dtype) { return dtype == DType::f16 ? 16 : size_of(dtype); }
constexpr std::size_t kWorkspaceAlignment = 64;

/// Whether an op replaces its output or adds to it (residual branches, gradients over micro-batches).
enum class Write : std::uint8_t { overwrite, accumulate };

/// Everything that changes from step to step. It lies in device memory and ops read it by pointer, so that
/// one captured graph serves every step: the host writes this struct, nothing else.
struct StepState {
  std::uint64_t seed = 0;         ///< key of every random draw
  std::uint32_t epoch = 0;        ///< with the sample id and a purpose, the counter of a draw (philox.h)
  std::uint32_t step = 0;         ///< optimizer steps done before this one
  float lr = 0.0f;                ///< learning rate of this step
  float adam_correction1 = 1.0f;  ///< 1 - beta1^(step+1)
  float adam_correction2 = 1.0f;  ///< 1 - beta2^(step+1)
};

/// Dynamic loss scaling of float16 training. It lies in device memory and changes there, so that no step waits for the
/// host: softmax_cross_entropy multiplies the gradient by `scale`, gradient_norm takes it out again and decides, and
/// the update obeys. The rule and its constants are those of torch.cuda.amp.GradScaler.
struct LossScale {
  float scale = 65536.0f;        ///< a power of two: multiplying and dividing by it is exact
  std::uint32_t good_steps = 0;  ///< finite gradients in a row since the scale last changed
  std::uint32_t skipped = 0;     ///< updates left out so far
  std::uint32_t skip = 0;        ///< 1: the last gradient was not finite, the update leaves everything alone
};

/// The state after a gradient that was finite or not: an overflow halves the scale, kLossScaleInterval finite gradients
/// in a row double it.
constexpr std::uint32_t kLossScaleInterval = 2000;
constexpr float kLargestLossScale = 4294967296.0f;  ///< gradients that are all 0 would double it for ever
TSUGI_HOST_DEVICE inline LossScale next_loss_scale(LossScale state, bool finite) {
  state.skip = finite ? 0u : 1u;
  state.skipped += state.skip;
  state.good_steps = finite ? state.good_steps + 1 : 0;
  if (!finite) state.scale *= 0.5f;
  if (state.good_steps == kLossScaleInterval) {
    if (state.scale < kLargestLossScale) state.scale *= 2.0f;
    state.good_steps = 0;
  }
  return state;
}

}  // namespace tsugi
