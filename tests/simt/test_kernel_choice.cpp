// The choice among registry rows: what is chosen for a call is what runs, and only what covers it can be.
#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <set>
#include <string>

#include "kernels/api/registry.h"
#include "kernels/tuning/digest.h"
#include "tests/ops/conv2d_passes.h"
#include "tests/ops/op_cases.h"

namespace tsugi {
namespace test {
namespace {

Conv2dShape small() {
  Conv2dShape s;
  s.n = 1, s.h = s.w = 6, s.c = 8, s.k = 8, s.r = s.s = 3, s.pad_h = s.pad_w = 1;
  return s;
}

TEST_CASE("candidates are the rows that cover a call here, the default first") {
  for (const int sm : {53, 75}) {
    const std::unique_ptr<RegistryBackend> backend = make_simt_backend(sm);
    KernelChoice& choice = *backend->kernel_choice();
    const std::vector<KernelRow> rows = backend->rows();
    for (const DType dtype : {DType::f32, DType::f16})
      for (const KernelOp op :
           {KernelOp::conv2d_forward, KernelOp::conv2d_backward_data, KernelOp::conv2d_backward_weight}) {
        const KernelCall call{op, small(), dtype, false};
        std::vector<std::string> expected, found = choice.candidates(call);
        CHECK(found.front() == name_of(rows[backend->row_for(op, small(), dtype)]));
        CHECK(found.size() > 1);
        for (std::size_t i = 0; i < rows.size(); ++i)
          if (rows[i].op == op && rows[i].dtype == dtype && rows[i].min_sm <= sm && sm <= rows[i].max_sm &&
              backend->covers(i, small()))
            expected.push_back(name_of(rows[i]));
        std::sort(expected.begin(), expected.end());
        std::sort(found.begin(), found.end());
        CHECK(found == expected);
        CHECK(std::adjacent_find(found.begin(), found.end()) == found.end());  // names tell rows apart
      }
  }
}

TEST_CASE("a chosen row computes the call, as if it were pinned, and no other call") {
  const std::unique_ptr<RegistryBackend> backend = make_simt_backend(75);
  KernelChoice& choice = *backend->kernel_choice();
  Random random(1);
  const Conv2dInputs in = draw_conv2d(small(), DType::f32, random);
  const KernelCall call{KernelOp::conv2d_forward, small(), DType::f32, false};
  KernelCall other = call;
  other.shape.n = 2;
  const std::string usual = choice.chosen(call), usual_other = choice.chosen(other);
  const std::vector<KernelRow> rows = backend->rows();
  for (const std::string& name : choice.candidates(call)) {
    CAPTURE(name);
    choice.choose(call, name);
    CHECK(choice.chosen(call) == name);
    CHECK(choice.chosen(other) == usual_other);
    const Values chosen = conv2d_forward(*backend, DType::f32, in);
    choice.choose(call, "");
    CHECK(choice.chosen(call) == usual);
    const auto row = std::find_if(rows.begin(), rows.end(), [&](const KernelRow& one) { return name_of(one) == name; });
    REQUIRE(row != rows.end());
    backend->pin(static_cast<int>(row - rows.begin()));
    CHECK(conv2d_forward(*backend, DType::f32, in) == chosen);
    backend->pin(-1);
  }
  CHECK_THROWS_AS(choice.choose(call, "conv2d_forward depthwise f32 128x32x1 8x4"),
                  Error);  // a row, but not for this shape
  CHECK_THROWS_AS(choice.choose(call, "nothing"), Error);
  CHECK_THROWS_AS(choice.choose({KernelOp::conv2d_forward, small(), DType::bf16, false}, ""), Error);
}

/// Of the kernels that tests/machine_code keeps, as "sm_75 conv2d_forward gemm f32 64x64x8 8x4 by 4".
bool is_compiled(const std::string& name) {
  static const std::string kKept = [] {
    std::ifstream file(TSUGI_TEST_DATA "/../machine_code_lib/baseline.json");
    return std::string(std::istreambuf_iterator<char>(file), {});
  }();
  return kKept.find('"' + name + '"') != std::string::npos || kKept.find('"' + name + " as ") != std::string::npos;
}

TEST_CASE("every row has a speed where it runs, and every speed a row") {
  for (const int sm : {53, 75}) {
    std::set<std::string> rows, speeds;
    for (const KernelRow& row : make_simt_backend(sm)->rows())
      if (row.min_sm <= sm) rows.insert(name_of(row));
    for (const KernelSpeed& speed : kernel_speeds(sm)) {
      CHECK(speed.share > 0.0);
      const std::string row = name_of(KernelRow{speed.op, speed.algorithm, speed.dtype, sm, sm, speed.tile});
      speeds.insert(row);
      const std::string instance = speed.instance;
      if (row.find(" winograd ") == std::string::npos)
        CHECK_MESSAGE(is_compiled("sm_" + std::to_string(sm) + " " + row + (instance.empty() ? "" : " ") + instance),
                      row);
    }
    CHECK(rows == speeds);
  }
}

TEST_CASE("the whole name of what runs is that of a compiled kernel") {
  const std::unique_ptr<RegistryBackend> backend = make_simt_backend(75);
  KernelChoice& choice = *backend->kernel_choice();
  int checked = 0;
  for (const Conv2dCase& one : conv2d_cases())
    for (const DType dtype : {DType::f32, DType::f16})
      for (const KernelOp op :
           {KernelOp::conv2d_forward, KernelOp::conv2d_backward_data, KernelOp::conv2d_backward_weight}) {
        const KernelCall call{op, one.shape, dtype, false};
        for (const std::string& name : choice.candidates(call)) {
          const std::string compiled = backend->compiled(call, name);
          CHECK(compiled.compare(0, name.size(), name) == 0);
          if (name.find(" winograd ") != std::string::npos) continue;  // one kernel of both passes
          CHECK_MESSAGE(is_compiled("sm_75 " + compiled), compiled);
          ++checked;
        }
      }
  CHECK(checked > 500);
  KernelCall call{KernelOp::conv2d_forward, small(), DType::f32, false};
  const auto ends = [&](const std::string& row, const char* end) {
    const std::string name = backend->compiled(call, row);
    CHECK_MESSAGE(name.compare(row.size(), std::string::npos, end) == 0, name);
  };
  ends("conv2d_forward gemm f32 128x128x8 8x8", " by 4");
  call.shape.c = 12;
  ends("conv2d_forward gemm f32 128x128x8 8x8", " by 1");
  call.shape.c = 3;
  ends("conv2d_forward direct f32 128x64x1 8x8", " DirectFilter(3, 1)");
  call.op = KernelOp::conv2d_backward_weight;
  call.shape.stride_w = 2;
  ends("conv2d_backward_weight direct f32 32x9x1 8x9", " by 6");
  call.shape.c = call.shape.groups = 8;
  ends("conv2d_backward_weight depthwise f32 64x32x1 4x4", " by 4");  // two strides: no filter that is compiled in
  call.shape.stride_h = 2;
  ends("conv2d_backward_weight depthwise f32 64x32x1 4x4", " DepthwiseFilter(3, 2) by 4");
  CHECK_THROWS_AS(backend->compiled(call, "conv2d_backward_weight mma f16 64x64x32 4x8"), Error);
}

TEST_CASE("another architecture is another device, the same build has the same kernels") {
  const std::unique_ptr<RegistryBackend> nano = make_simt_backend(53), turing = make_simt_backend(75);
  CHECK(nano->kernel_choice()->device() != turing->kernel_choice()->device());
  CHECK(nano->kernel_choice()->kernels() == turing->kernel_choice()->kernels());
  CHECK(std::string(kernels_digest()).size() == 64);
}

}  // namespace
}  // namespace test
}  // namespace tsugi
