"""The bugs that tests/mutants plants, and what must catch each.

A suite is what runs against a bug: the source files whose kernels it looks at (only these are compiled anew: a header's bug
is planted in them alone), a doctest pattern for test_simt, and the registry rows that the walk is narrowed to.
"""

from collections import namedtuple

Suite = namedtuple("Suite", "sources cases rows")
Mutant = namedtuple("Mutant", "name file text replacement suite")  # text must occur once in the file

CUDA = "kernels/cuda/"


def _rows(op, rows, *sources):
    return Suite(tuple(CUDA + source for source in sources), f"rows of {op}*", rows)


def _op(pattern, source):
    return Suite((CUDA + source,), pattern, "")


FORWARD = _rows("conv2d_forward", "gemm f32 32x32", "conv2d_forward.cu")
BACKWARD_DATA = _rows("conv2d_backward_data", "gemm f32 32x32", "conv2d_backward_data.cu")
BACKWARD_WEIGHT = _rows("conv2d_backward_weight", "gemm f32 32x32", "conv2d_backward_weight.cu")
SPLIT_DATA = _rows("conv2d_backward_data", "gemm f32 32x32", "split_reduce.cu")
SPLIT_WEIGHT = _rows("conv2d_backward_weight", "gemm f32 32x32", "split_reduce.cu")
BIAS_GRADIENT = _rows("conv2d_backward_weight", "gemm f32 32x32", "column_sum.cu")
DEPTHWISE = _rows("conv2d_forward", "depthwise f32", "conv2d_depthwise.cu")
DEPTHWISE_DATA = _rows("conv2d_backward_data", "depthwise f32", "conv2d_depthwise.cu")
DEPTHWISE_WEIGHT = _rows("conv2d_backward_weight", "depthwise f32", "conv2d_depthwise_backward_weight.cu")
DIRECT = _rows("conv2d_forward", "direct f32 128x64", "conv2d_direct.cu")
DIRECT_WEIGHT = _rows("conv2d_backward_weight", "direct f32", "conv2d_direct_backward_weight.cu")
WINOGRAD = _rows("conv2d_forward", "winograd", "conv2d_winograd.cu")
WINOGRAD_DATA = _rows("conv2d_backward_data", "winograd", "conv2d_winograd.cu")
MMA = _rows("conv2d_forward", "mma f16 64x64", "conv2d_mma.cu")
MMA_DATA = _rows("conv2d_backward_data", "mma f16 64x64", "conv2d_mma.cu")
MMA_WEIGHT = _rows("conv2d_backward_weight", "mma f16 64x64", "conv2d_mma.cu")
HALF2 = _rows("conv2d_forward", "half2 f16 64x64", "conv2d_half2.cu")
HALF2_DATA = _rows("conv2d_backward_data", "half2 f16 64x64", "conv2d_half2.cu")
BATCH_NORM = _op("simt batch_norm * float32", "batch_norm.cu")
BATCH_NORM_BACKWARD = _op("simt batch_norm * float32", "batch_norm_backward.cu")
BATCH_NORM_BOTH = BATCH_NORM._replace(sources=BATCH_NORM.sources + BATCH_NORM_BACKWARD.sources)
GRADIENT_NORM = _op("*gradient_norm*", "gradient_norm.cu")
POOL = _op("*pool*", "pool.cu")
DROPOUT = _op("*dropout*", "dropout.cu")
OPTIMIZER = _op("*optimizers*", "optimizer.cu")
LOSS = _op("*softmax*", "softmax_cross_entropy.cu")
AUGMENT = _op("*augment*", "augment.cu")


GEMM, GEMM_FORWARD, GEMM_WEIGHT, LOAD, WHOLE, WALK, REDUCE, HALF_GEMM, MMA_TILE, HALF2_TILE, HALF_DATA = (
    CUDA + f"device/{name}.h"
    for name in (
        "gemm_tile",
        "gemm_forward",
        "gemm_backward_weight",
        "gemm_load",
        "gemm_load_whole",
        "gemm_walk",
        "reduce",
        "half_gemm",
        "mma_tile",
        "half2_tile",
        "half_backward_data",
    )
)

MUTANTS = [
    Mutant(
        "gemm: dropped barrier after a stage",
        GEMM,
        "  b.store(next.b);\n  __syncthreads();",
        "  b.store(next.b);",
        FORWARD,
    ),
    Mutant(
        "gemm: dropped barrier before the first stage",
        GEMM,
        "  b.store(shared.stage[0].b);\n  __syncthreads();",
        "  b.store(shared.stage[0].b);",
        FORWARD,
    ),
    Mutant(
        "gemm: stale double buffer",
        GEMM,
        "gemm_step<Tile>(shared.stage[1], shared.stage[0], a, b, place, sums);",
        "gemm_step<Tile>(shared.stage[0], shared.stage[0], a, b, place, sums);",
        FORWARD,
    ),
    Mutant(
        "gemm: last stage left out",
        GEMM,
        "(end - begin + Tile::kK - 1) / Tile::kK",
        "(end - begin) / Tile::kK",
        FORWARD,
    ),
    Mutant("gemm: store writes one column too many", GEMM, "if (e < count) to[e]", "if (e <= count) to[e]", FORWARD),
    Mutant(
        "load: tap beyond the right edge is read",
        LOAD,
        "tap_h < static_cast<unsigned>(height) && tap_w < static_cast<unsigned>(width)",
        "tap_h < static_cast<unsigned>(height) && tap_w <= static_cast<unsigned>(width)",
        FORWARD,
    ),
    Mutant(
        "load: terms beyond the last are read",
        LOAD,
        "      if (terms.exists()) data[i] = load_read_only<T, V>(row[i]);",
        "      data[i] = load_read_only<T, V>(row[i]);",
        FORWARD,
    ),
    Mutant(
        "load: transposed store skips the last rows",
        LOAD,
        "if (!kWhole && row(thread, i) >= Rows) continue;\n#pragma unroll\n      for (int e = 0; e < V; ++e) stage",
        "if (row(thread, i) >= Rows - 1) continue;\n#pragma unroll\n      for (int e = 0; e < V; ++e) stage",
        FORWARD,
    ),
    Mutant(
        "walk: a carry of the tap column is lost",
        WALK,
        "      offset += walk.carry_w;\n      ++tap_h;",
        "      ++tap_h;",
        FORWARD,
    ),
    Mutant(
        "forward: strides of rows and columns swapped",
        GEMM_FORWARD,
        "(line - image * p.p) * p.stride_h - p.pad_h",
        "(line - image * p.p) * p.stride_w - p.pad_h",
        FORWARD,
    ),
    Mutant(
        "forward: last pixel not written",
        GEMM_FORWARD,
        "if (pixel >= p.pixels || left <= 0) return;",
        "if (pixel >= p.pixels - 1 || left <= 0) return;",
        FORWARD,
    ),
    Mutant(
        "forward: bias forgotten",
        GEMM_FORWARD,
        "if (p.bias != nullptr && e < left) values.v[e] +=",
        "if (false && p.bias != nullptr && e < left) values.v[e] +=",
        FORWARD,
    ),
    Mutant(
        "whole: a carry of the tap column comes late",
        WHOLE,
        "next_row = tap_w >= walk.taps_w;",
        "next_row = tap_w > walk.taps_w;",
        BACKWARD_DATA,
    ),
    Mutant(
        "backward data: phases begin at the wrong tap",
        CUDA + "conv2d_backward_data.cu",
        "axis.tap = (phase + pad) % stride;",
        "axis.tap = phase % stride;",
        BACKWARD_DATA,
    ),
    Mutant(
        "backward data: mask of the activation forgotten",
        CUDA + "conv2d_backward_data.cu",
        "if (p.mask != nullptr) sum.v[e] = p.activation.backward(",
        "if (false && p.mask != nullptr) sum.v[e] = p.activation.backward(",
        BACKWARD_DATA,
    ),
    Mutant(
        "walk: pixels carry one column late", WALK, "if (w >= walk.end_w) {", "if (w > walk.end_w) {", BACKWARD_WEIGHT
    ),
    Mutant(
        "split: a missed accumulate",
        CUDA + "split_reduce.cu",
        "  if (p.accumulate) {",
        "  if (false && p.accumulate) {",
        SPLIT_DATA,
    ),
    Mutant(
        "split: the last part is dropped",
        CUDA + "split_reduce.cu",
        "split < p.splits; ++split",
        "split < p.splits - 1; ++split",
        SPLIT_WEIGHT,
    ),
    Mutant(
        "bias gradient: a line of rows is dropped",
        CUDA + "column_sum.cu",
        "other < kColumnSumLines; ++other",
        "other < kColumnSumLines - 1; ++other",
        BIAS_GRADIENT,
    ),
    Mutant(
        "half: dropped barrier after a stage",
        HALF_GEMM,
        "    shared.b[now].store(b);\n    __syncthreads();",
        "    shared.b[now].store(b);",
        MMA,
    ),
    Mutant(
        "half forward: every split writes the same part",
        GEMM_FORWARD,
        "static_cast<std::size_t>(blockIdx.z) * static_cast<unsigned>(p.pixels)",
        "std::size_t{0} * static_cast<unsigned>(p.pixels)",
        MMA,
    ),
    Mutant(
        "mma: a fragment of the neighbouring lane's row",
        MMA_TILE,
        "start(line + lane, term)",
        "start(line + (lane ^ 1), term)",
        MMA,
    ),
    Mutant(
        "mma: a fragment's upper and lower rows swapped",
        MMA_TILE,
        "{left[m / 2][m % 2 * 2], left[m / 2][m % 2 * 2 + 1]}",
        "{left[m / 2][m % 2 * 2 + 1], left[m / 2][m % 2 * 2]}",
        MMA,
    ),
    Mutant(
        "mma: a lane's sums taken as two columns of two rows",
        MMA_TILE,
        "two.v[0] = sums.v[m][n][below * 2];\n          two.v[1] = sums.v[m][n][below * 2 + 1];",
        "two.v[0] = sums.v[m][n][below];\n          two.v[1] = sums.v[m][n][below + 2];",
        MMA,
    ),
    Mutant(
        "mma: only the last products are kept",
        MMA_TILE,
        "mma_m16n8k8(sums.v[m][n], rows, right[n / 4][n % 4], sums.v[m][n]);",
        "const float nothing[4] = {};\n          mma_m16n8k8(sums.v[m][n], rows, right[n / 4][n % 4], nothing);",
        MMA,
    ),
    Mutant(
        "half backward data: missed accumulate",
        HALF_DATA,
        "    if (p.accumulate) {",
        "    if (false && p.accumulate) {",
        MMA_DATA,
    ),
    Mutant(
        "mma: a transposed fragment of the neighbouring lane's term",
        MMA_TILE,
        "term + lane % 8)",
        "term + (lane % 8 ^ 1))",
        MMA_DATA,
    ),
    Mutant(
        "half backward weight: missed accumulate",
        GEMM_WEIGHT,
        "  if (p.accumulate) {",
        "  if (false && p.accumulate) {",
        MMA_WEIGHT,
    ),
    Mutant(
        "half weights: read where they are, aligned or not",
        CUDA + "half_weights.h",
        "aligned(weights, 16)",
        "aligned(weights, 2)",
        MMA,
    ),
    Mutant(
        "half2: the sum stays in float16 from stage to stage",
        HALF2_TILE,
        "run[m][n] = pair == 0 ? __hmul2(left[m], right[n]) : __hfma2(left[m], right[n], run[m][n]);\n"
        "        }\n"
        "      }\n"
        "    }\n"
        "#pragma unroll\n"
        "    for (int m = 0; m < ThreadM; ++m) {\n"
        "#pragma unroll\n"
        "      for (int n = 0; n < ThreadN; ++n) {\n"
        "        sums.v[m][n] += __half2float(",
        "run[m][n] = pair == 0 ? __hfma2(left[m], right[n], __floats2half2_rn(sums.v[m][n], 0.0f)) : __hfma2(left[m], right[n], run[m][n]);\n"
        "        }\n"
        "      }\n"
        "    }\n"
        "#pragma unroll\n"
        "    for (int m = 0; m < ThreadM; ++m) {\n"
        "#pragma unroll\n"
        "      for (int n = 0; n < ThreadN; ++n) {\n"
        "        sums.v[m][n] = __half2float(",
        HALF2,
    ),
    Mutant(
        "half2: the last pair of a run is left out",
        HALF2_TILE,
        "pair < K / 2; ++pair",
        "pair < K / 2 - 1; ++pair",
        HALF2,
    ),
    Mutant(
        "half2: the wrong four lines go to the other lane",
        HALF2_TILE,
        "odd ? mine.v[e] : mine.v[e + 2], kThreads / K",
        "odd ? mine.v[e + 2] : mine.v[e], kThreads / K",
        HALF2_DATA,
    ),
    Mutant(
        "winograd: a sign of the input transform",
        CUDA + "conv2d_winograd.cu",
        "d[i + 2] = c - b;",
        "d[i + 2] = b - c;",
        WINOGRAD,
    ),
    Mutant(
        "winograd: a sign of the filter transform",
        CUDA + "conv2d_winograd.cu",
        "rows[2][s] = 0.5f * (ends - g[1][s]);",
        "rows[2][s] = 0.5f * (ends + g[1][s]);",
        WINOGRAD,
    ),
    Mutant(
        "winograd: a sign of the output transform",
        CUDA + "conv2d_winograd.cu",
        "bottom[1][e] += column == 1 ? lower : -lower;",
        "bottom[1][e] += lower;",
        WINOGRAD,
    ),
    Mutant(
        "winograd: the ragged tile writes beyond its row",
        CUDA + "conv2d_winograd.cu",
        "if (row >= p.rows || column >= p.columns) continue;",
        "if (row >= p.rows) continue;",
        WINOGRAD,
    ),
    Mutant(
        "winograd: dropped barrier before a stage",
        CUDA + "conv2d_winograd.cu",
        "    __syncthreads();  // the last stage has been read\n",
        "",
        WINOGRAD,
    ),
    Mutant(
        "winograd: filters are not rotated",
        CUDA + "conv2d_winograd.cu",
        "p.rotated ? 8 - tap : tap",
        "tap",
        WINOGRAD_DATA,
    ),
    Mutant(
        "direct: a row beyond the output is written",
        CUDA + "conv2d_direct.cu",
        "if (row + thread_row >= p.p) return;",
        "if (row + thread_row > p.p) return;",
        DIRECT,
    ),
    Mutant(
        "direct: a column beyond the output is written",
        CUDA + "conv2d_direct.cu",
        "if (q >= p.q) continue;",
        "if (q > p.q) continue;",
        DIRECT,
    ),
    Mutant(
        "direct: dropped barrier before the next filter rows",
        CUDA + "conv2d_direct.cu",
        "    if (first > 0) __syncthreads();  // the last rows of the filters have been read\n",
        "",
        DIRECT,
    ),
    Mutant(
        "direct weight: the last lane's sum is dropped",
        CUDA + "conv2d_direct_backward_weight.cu",
        "other < p.lanes; ++other",
        "other < p.lanes - 1; ++other",
        DIRECT_WEIGHT,
    ),
    Mutant(
        "direct weight: the window slides by one element",
        CUDA + "conv2d_direct_backward_weight.cu",
        "window[(j + Step) % Tile::kTerms]",
        "window[(j + 1) % Tile::kTerms]",
        DIRECT_WEIGHT,
    ),
    Mutant(
        "depthwise: columns beyond the output are stored",
        CUDA + "conv2d_depthwise.cu",
        "if (row + a < p.p && column + b < p.q)\n        store_forward",
        "if (row + a < p.p)\n        store_forward",
        DEPTHWISE,
    ),
    Mutant(
        "depthwise: barrier after the weights is missing",
        CUDA + "conv2d_depthwise.cu",
        "stage_weights<Tile, Filter>(shared, p.w, place.slab, 1, 0, p.filters);\n  __syncthreads();",
        "stage_weights<Tile, Filter>(shared, p.w, place.slab, 1, 0, p.filters);",
        DEPTHWISE,
    ),
    Mutant(
        "depthwise: missed accumulate",
        CUDA + "conv2d_depthwise.cu",
        "for (int e = 0; e < V; ++e) sums[e] += to_float(old.v[e]);",
        "for (int e = 0; e < V; ++e) sums[e] += 0.0f * to_float(old.v[e]);",
        DEPTHWISE_DATA,
    ),
    Mutant(
        "depthwise weight: the last patch's sum is dropped",
        CUDA + "conv2d_depthwise_backward_weight.cu",
        "patch = 1; patch < DepthwiseSplit<Tile, V>::kPatches;",
        "patch = 1; patch < DepthwiseSplit<Tile, V>::kPatches - 1;",
        DEPTHWISE_WEIGHT,
    ),
    Mutant(
        "batch norm: spread between merged means forgotten",
        CUDA + "batch_norm.cu",
        "squares[i] += other_squares[i] + delta * delta * (count * share);",
        "squares[i] += other_squares[i];",
        BATCH_NORM,
    ),
    Mutant(
        "reduce: tree without its barrier",
        REDUCE,
        "shared.v[self][i] = sum[i] += shared.v[other][i];\n    }\n    __syncthreads();",
        "shared.v[self][i] = sum[i] += shared.v[other][i];\n    }",
        BATCH_NORM_BACKWARD,
    ),
    Mutant(
        "batch norm backward: gradient through the mean dropped",
        CUDA + "batch_norm_backward.cu",
        "(to_float(vx.v[i]) - mean[i]) - offset[i]);",
        "(to_float(vx.v[i]) - mean[i]));",
        BATCH_NORM_BACKWARD,
    ),
    Mutant(
        "batch norm backward: gradient through the variance unscaled",
        CUDA + "batch_norm_backward.cu",
        "scale * inv_std * (sum_g_x_hat / rows)",
        "scale * (sum_g_x_hat / rows)",
        BATCH_NORM_BACKWARD,
    ),
    Mutant(
        "reduce: barrier inside a branch",
        REDUCE,
        "    if (y < step) shared.v[y][x] += shared.v[y + step][x];\n    __syncthreads();",
        "    if (y < step) {\n      shared.v[y][x] += shared.v[y + step][x];\n      __syncthreads();\n    }",
        BATCH_NORM_BOTH,
    ),
    Mutant(
        "reduce: part of a block's sum is dropped",
        REDUCE,
        "for (int i = thread; i < kBlockThreads; i += 16)",
        "for (int i = thread; i < kBlockThreads - 16; i += 16)",
        GRADIENT_NORM,
    ),
    Mutant("pool: ties go to the last", CUDA + "pool.cu", "candidate > value[i] ||", "candidate >= value[i] ||", POOL),
    Mutant(
        "pool: padding counts in the average",
        CUDA + "pool.cu",
        "const float count = static_cast<float>((rows.end - rows.begin) * (columns.end - columns.begin));",
        "const float count = static_cast<float>(s.r * s.s);",
        POOL,
    ),
    Mutant(
        "pool: backward overwrites where it should add",
        CUDA + "pool.cu",
        "  if (accumulate) out = load_vec<T, N>(d_x);",
        "  if (false && accumulate) out = load_vec<T, N>(d_x);",
        POOL,
    ),
    Mutant(
        "pool: a window that only touches is counted",
        CUDA + "pool.cu",
        "(top - s.r) / s.stride_h + 1",
        "(top - s.r) / s.stride_h",
        POOL,
    ),
    Mutant(
        "dropout: tail element left out",
        CUDA + "dropout.cu",
        "const std::size_t draws = (p.per_sample + 3) / 4;",
        "const std::size_t draws = p.per_sample / 4;",
        DROPOUT,
    ),
    Mutant(
        "dropout: kept without its scale",
        CUDA + "dropout.cu",
        "out.v[k] = from_float<T>(kept.v[k] != 0 ? to_float(in.v[k]) * p.scale : 0.0f);",
        "out.v[k] = from_float<T>(kept.v[k] != 0 ? to_float(in.v[k]) : 0.0f);",
        DROPOUT,
    ),
    Mutant(
        "optimizer: weight decay on every parameter",
        CUDA + "optimizer.cu",
        "i + j < p.decayed ? p.weight_decay : 0.0f",
        "p.weight_decay",
        OPTIMIZER,
    ),
    Mutant(
        "optimizer: the rest of a vector is not updated",
        CUDA + "optimizer.cu",
        "if (N > 1 && rest < p.count)",
        "if (N > 1 && rest + 1 < p.count)",
        OPTIMIZER,
    ),
    Mutant(
        "loss: the teacher's gradient without its temperature",
        CUDA + "softmax_cross_entropy.cu",
        "gradient += d.weight * p.temperature * (own - theirs);",
        "gradient += d.weight * (own - theirs);",
        LOSS,
    ),
    Mutant(
        "loss: gradient unsmoothed",
        CUDA + "softmax_cross_entropy.cu",
        "off_target = p.smoothing / classes,",
        "off_target = 0.0f,",
        LOSS,
    ),
    Mutant(
        "augment: means of green and blue swapped",
        CUDA + "augment.cu",
        "c == 0 ? op.mean[0] : c == 1 ? op.mean[1] : op.mean[2]",
        "c == 0 ? op.mean[0] : c == 1 ? op.mean[2] : op.mean[1]",
        AUGMENT,
    ),
    Mutant(
        "augment: a blurred tile begins without its edge",
        CUDA + "augment.cu",
        "x0 + halo_x - kBlurRadius",
        "x0 + halo_x",
        AUGMENT,
    ),
    Mutant(
        "augment: dropped barrier before the blur",
        CUDA + "augment.cu",
        "&shared.halo[halo_y][halo_x * 3]);\n  }\n  __syncthreads();",
        "&shared.halo[halo_y][halo_x * 3]);\n  }",
        AUGMENT,
    ),
]
