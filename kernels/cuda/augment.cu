// Augmentation: uint8 photos -> the augmented, normalised batch, in one launch without workspace. The draw of a picture
// is that of augment_draw.h, so that every device makes the same pictures.
#include "kernels/api/augment_draw.h"
#include "kernels/cuda/device/reduce.h"
#ifndef __CUDACC_RTC__
#include "kernels/cuda/ops.h"
#endif

namespace tsugi {
namespace TSUGI_GPU {

// A block makes a tile of one picture. The blur reads two pixels beyond it, which the block warps for itself.
constexpr int kTileW = 32, kTileH = 8, kBlurRadius = 2;
constexpr int kHaloW = kTileW + 2 * kBlurRadius, kHaloH = kTileH + 2 * kBlurRadius;
constexpr int kRowDraws = kTileW * 3 / 4 + 1;  ///< groups of four elements that a row of the tile can touch

struct AugmentShared {
  AugmentDraw draw;
  float halo[kHaloH][kHaloW * 3];     ///< warped pixels, 0 to 255
  float blurred[kHaloH][kTileW * 3];  ///< after the horizontal pass
  float tile[kTileH][kTileW * 3];     ///< ready for contrast, brightness and noise
};

/// A coordinate clamped to [0, size-1], as the lower of two neighbours and the upper one's weight.
struct Tap {
  __device__ __forceinline__ Tap(float coordinate, int size) {
    const float clamped = fminf(static_cast<float>(size - 1), fmaxf(0.0f, coordinate));
    index = min(static_cast<int>(clamped), max(size - 2, 0));
    weight = clamped - static_cast<float>(index);
  }
  int index;
  float weight;
};

/// to[0..2] = the output pixel (y, x) of the warp: bilinear, edge pixels repeated.
__device__ __forceinline__ void warp_pixel(const AugmentForward& op, const AugmentDraw& draw, const std::uint8_t* photo,
                                           int y, int x, float* to) {
  const float dx = static_cast<float>(x) - 0.5f * static_cast<float>(op.w - 1);
  const float dy = static_cast<float>(y) - 0.5f * static_cast<float>(op.h - 1);
  const Tap column(draw.center_x + draw.m01 * dy + draw.m00 * dx, op.photo_w);
  const Tap row(draw.center_y + draw.m11 * dy + draw.m10 * dx, op.photo_h);
  const int right = op.photo_w > 1 ? 3 : 0;
  const std::uint8_t* top = photo + (static_cast<std::size_t>(row.index) * op.photo_w + column.index) * 3;
  const std::uint8_t* bottom = top + (op.photo_h > 1 ? op.photo_w * 3 : 0);
#pragma unroll
  for (int c = 0; c < 3; ++c) {
    const float top_left = __ldg(top + c), top_right = __ldg(top + right + c);
    const float bottom_left = __ldg(bottom + c), bottom_right = __ldg(bottom + right + c);
    const float above = top_left + column.weight * (top_right - top_left);
    const float below = bottom_left + column.weight * (bottom_right - bottom_left);
    to[c] = above + row.weight * (below - above);
  }
}

/// shared.tile = the pixels of the tile, 0 to 255: the photo's centre, or warped and blurred. (y0, x0): its first
/// pixel.
__device__ __forceinline__ void make_tile(const AugmentForward& op, AugmentShared& shared, const std::uint8_t* photo,
                                          int y0, int x0) {
  const AugmentDraw& draw = shared.draw;
  const int thread = static_cast<int>(threadIdx.x), ty = thread / kTileW, tx = thread % kTileW;
  const int y = min(y0 + ty, op.h - 1), x = min(x0 + tx, op.w - 1);  // beyond the picture: computed, never stored
  float* pixel = &shared.tile[ty][tx * 3];
  if (draw.identity) {
    const std::size_t row = augment_margin(op.photo_h, op.h) + y, column = augment_margin(op.photo_w, op.w) + x;
    const std::uint8_t* bytes = photo + (row * op.photo_w + column) * 3;
    for (int c = 0; c < 3; ++c) pixel[c] = __ldg(bytes + c);
    return;
  }
  if (!draw.blur) {
    warp_pixel(op, draw, photo, y, x, pixel);
    return;
  }
  for (int i = thread; i < kHaloH * kHaloW; i += kBlockThreads) {
    const int halo_y = i / kHaloW, halo_x = i % kHaloW;
    const int from_y = min(max(y0 + halo_y - kBlurRadius, 0), op.h - 1);
    const int from_x = min(max(x0 + halo_x - kBlurRadius, 0), op.w - 1);
    warp_pixel(op, draw, photo, from_y, from_x, &shared.halo[halo_y][halo_x * 3]);
  }
  __syncthreads();
  for (int i = thread; i < kHaloH * kTileW * 3; i += kBlockThreads) {
    const float* in = &shared.halo[i / (kTileW * 3)][i % (kTileW * 3)];
    shared.blurred[i / (kTileW * 3)][i % (kTileW * 3)] =
        draw.tap0 * in[6] + draw.tap1 * (in[3] + in[9]) + draw.tap2 * (in[0] + in[12]);
  }
  __syncthreads();
  for (int c = 0; c < 3; ++c) {
    const int e = tx * 3 + c;
    const float one = shared.blurred[ty + 1][e] + shared.blurred[ty + 3][e];
    const float two = shared.blurred[ty][e] + shared.blurred[ty + 4][e];
    pixel[c] = draw.tap0 * shared.blurred[ty + 2][e] + draw.tap1 * one + draw.tap2 * two;
  }
}

/// One element of the output from its pixel's value, 0 to 255. e: its number in the picture, which gives the channel.
__device__ __forceinline__ float finish_element(const AugmentForward& op, const AugmentDraw& draw, float value,
                                                std::uint32_t noise, unsigned e) {
  float result = value / 255.0f;
  if (!draw.identity) {
    result = draw.gain / 255.0f * value + draw.offset;
    if (draw.noise_sigma > 0.0f) result += draw.noise_sigma * augment_noise(noise);
    result = fminf(fmaxf(result, 0.0f), 1.0f);
  }
  const unsigned c = e % 3;  // selected, not indexed: parameters stay out of local memory
  const float mean = c == 0 ? op.mean[0] : c == 1 ? op.mean[1] : op.mean[2];
  const float inv_std = c == 0 ? op.inv_std[0] : c == 1 ? op.inv_std[1] : op.inv_std[2];
  return (result - mean) * inv_std;
}

/// x[i] = the picture of photo photo_index[i] and variant sample_ids[i] % variants (augment.h has the formula).
/// Grid: pictures x tile rows x tile columns; a block of 256 threads makes 32 x 8 pixels, one a thread (a blurred tile
/// 36 x 12, in shared memory), then stores them in groups of four elements, each with one draw of noise: 16 bytes
/// an access where w is a multiple of 4 (kVector), neighbouring groups by neighbouring threads. Photo bytes come
/// through the read-only cache. Moves each photo once and x once. Overwrites.
template <typename T, bool kVector>
__global__ void __launch_bounds__(kBlockThreads) augment_tile(const AugmentForward op) {
  AugmentShared& shared = shared_memory<AugmentShared>();
  const int i = static_cast<int>(blockIdx.x), thread = static_cast<int>(threadIdx.x);
  const int y0 = static_cast<int>(blockIdx.y) * kTileH, x0 = static_cast<int>(blockIdx.z) * kTileW;
  const std::uint64_t seed = op.step->seed;
  const std::uint32_t epoch = op.step->epoch, sample = op.sample_ids[i];
  if (thread == 0) shared.draw = augment_draw(op, seed, epoch, sample);
  __syncthreads();
  const std::size_t photo_bytes = static_cast<std::size_t>(op.photo_h) * op.photo_w * 3;
  make_tile(op, shared, op.photos + op.photo_index[i] * photo_bytes, y0, x0);
  __syncthreads();

  const AugmentDraw& draw = shared.draw;
  const int row = thread / kRowDraws, y = y0 + row, width = min(kTileW, op.w - x0) * 3;
  if (row >= kTileH || y >= op.h) return;
  // Elements of the picture: those of the row's part in the tile, and this thread's aligned group of four.
  const unsigned begin = (static_cast<unsigned>(y) * static_cast<unsigned>(op.w) + static_cast<unsigned>(x0)) * 3;
  const unsigned block = begin / 4 + static_cast<unsigned>(thread % kRowDraws),
                 end = begin + static_cast<unsigned>(width);
  if (block * 4 >= end) return;
  Philox4 words = {};
  if (!draw.identity && draw.noise_sigma > 0.0f) words = philox(seed, epoch, sample, purpose::kNoise, block);
  T* x = static_cast<T*>(op.x) + static_cast<std::size_t>(i) * op.h * op.w * 3 + static_cast<std::size_t>(block) * 4;
  const float* tile = shared.tile[row];
  if (kVector) {  // rows and tiles begin and end with whole groups
    Vec<T, 4> out;
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      const unsigned e = block * 4 + static_cast<unsigned>(k);
      out.v[k] = from_float<T>(finish_element(op, draw, tile[e - begin], words.v[k], e));
    }
    store_vec<T, 4>(x, out);
  } else {
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      const unsigned e = block * 4 + static_cast<unsigned>(k);
      if (e >= begin && e < end) x[k] = from_float<T>(finish_element(op, draw, tile[e - begin], words.v[k], e));
    }
  }
}

#ifndef __CUDACC_RTC__
namespace {

template <typename T>
void forward(Runtime& runtime, const AugmentForward& op) {
  const dim3 grid(static_cast<unsigned>(op.n), static_cast<unsigned>((op.h + kTileH - 1) / kTileH),
                  static_cast<unsigned>((op.w + kTileW - 1) / kTileW));
  const bool vector = op.w % 4 == 0 && aligned(4 * sizeof(T), op.x);
  runtime.launch("augment_forward", vector ? &augment_tile<T, true> : &augment_tile<T, false>, grid, kBlockThreads, op);
}

}  // namespace

std::size_t augment_workspace(const AugmentForward&) { return 0; }

void augment_forward(Runtime& runtime, const AugmentForward& op) {
  (op.dtype == DType::f16 ? forward<__half> : forward<float>)(runtime, op);
}

#else
template __global__ void augment_tile<float, true>(const AugmentForward);
template __global__ void augment_tile<float, false>(const AugmentForward);
template __global__ void augment_tile<__half, true>(const AugmentForward);
template __global__ void augment_tile<__half, false>(const AugmentForward);
#endif

}  // namespace TSUGI_GPU
}  // namespace tsugi
