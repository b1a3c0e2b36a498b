// Instructions of a whole warp: shuffles, votes and the matrix instructions of sm_75. The block runs them when the
// lanes of their mask have met (the last operand; all 32 for matrices). Source: PTX ISA, "shfl.sync", "vote.sync",
// "ldmatrix" and "Matrix fragments for mma.m16n8k8".
#include "kernels/ptx/access.h"
#include "kernels/ptx/halves.h"
#include "kernels/ptx/operations.h"

namespace tsugi {
namespace ptx {
namespace {

using std::uint32_t;

enum class Shuffle : std::uint8_t { up, down, butterfly, index };

/// The lane that `lane` reads. c holds the last lane of a segment (5 bits) and, from bit 8 on, the bits of a lane that
/// say which segment it is in. Beyond the segment a lane reads itself.
struct Partner {
  int lane;
  bool inside;
};

template <Shuffle kind>
Partner partner(int lane, uint32_t b, uint32_t c) {
  const int segment = static_cast<int>(c >> 8 & 31), clamp = static_cast<int>(c & 31), by = static_cast<int>(b & 31);
  const int limit = (lane & segment) | (clamp & ~segment);
  const int other = kind == Shuffle::up          ? lane - by
                    : kind == Shuffle::down      ? lane + by
                    : kind == Shuffle::butterfly ? lane ^ by
                                                 : (lane & segment) | (by & ~segment);
  const bool inside = kind == Shuffle::up ? other >= limit : other <= limit;
  return {inside ? other : lane, inside};
}

template <Shuffle kind>
void shuffle(Warp& warp, const Instruction& i) {
  uint32_t given[kWarp], b[kWarp], c[kWarp], got[kWarp] = {}, inside = 0;
  std::memcpy(given, warp.lanes<uint32_t>(i.from[0]), sizeof given);
  std::memcpy(b, warp.lanes<uint32_t>(i.from[1]), sizeof b);
  std::memcpy(c, warp.lanes<uint32_t>(i.from[2]), sizeof c);
  each_active(warp.active, [&](int lane) {
    const Partner other = partner<kind>(lane, b[lane], c[lane]);
    if ((warp.active >> other.lane & 1) == 0) {
      warp.block->fail(warp, i, lane, "reads lane " + std::to_string(other.lane) + ", which does not take part");
    }
    got[lane] = given[other.lane];
    inside |= static_cast<uint32_t>(other.inside) << lane;
  });
  each_lane(warp, warp.lanes<uint32_t>(i.to[0]), [&](int lane) { return got[lane]; });
  if (i.count == 2) set_predicate(warp, i.to[1], inside);
}

uint32_t votes(Warp& warp, const Instruction& i) {
  return (i.negated ? ~warp.predicate(i.from[0]) : warp.predicate(i.from[0])) & warp.active;
}

void ballot(Warp& warp, const Instruction& i) {
  const uint32_t given = votes(warp, i);
  each_lane(warp, warp.lanes<uint32_t>(i.to[0]), [=](int) { return given; });
}
void any(Warp& warp, const Instruction& i) { set_predicate(warp, i.to[0], votes(warp, i) != 0 ? kAllLanes : 0); }
void all(Warp& warp, const Instruction& i) {
  set_predicate(warp, i.to[0], votes(warp, i) == warp.active ? kAllLanes : 0);
}
void uniform_vote(Warp& warp, const Instruction& i) {
  const uint32_t given = votes(warp, i);
  set_predicate(warp, i.to[0], given == 0 || given == warp.active ? kAllLanes : 0);
}

void expect_all_lanes(Warp& warp, const Instruction& i) {
  if (warp.active != kAllLanes) warp.block->fail(warp, i, __builtin_ctz(~warp.active), "it takes all 32 lanes");
}

/// Lane l names the row l % 8 of matrix l / 8, of eight halves. A lane gets two neighbours of a row, or, transposed, of
/// a column.
template <bool kTransposed>
void load_matrices(Warp& warp, const Instruction& i) {
  expect_all_lanes(warp, i);
  std::uint64_t addresses[kWarp];
  read_addresses(warp, i, addresses);
  const uint32_t rows = i.count == 4 ? kAllLanes : (1u << 8 * i.count) - 1;
  std::uint16_t matrix[kWarp][8];
  Reached reached;
  reach(warp, i, addresses, rows, 16, false, reached);
  if (reached.lanes != rows) reach(warp, i, addresses, rows & ~reached.lanes, 16, false, reached);  // fails there
  each_active(rows, [&](int lane) { std::memcpy(matrix[lane], reached.base + reached.offsets[lane], 16); });
  for (int m = 0; m < i.count; ++m) {
    each_lane(warp, warp.lanes<uint32_t>(i.to[m]), [&](int lane) {
      const int outer = lane / 4, inner = 2 * (lane % 4);
      const uint32_t low = kTransposed ? matrix[8 * m + inner][outer] : matrix[8 * m + outer][inner];
      const uint32_t high = kTransposed ? matrix[8 * m + inner + 1][outer] : matrix[8 * m + outer][inner + 1];
      return low | high << 16;
    });
  }
}

/// The 64 halves of a register of all lanes, in the order that they lie in.
void widen(const uint32_t* words, double* values) {
  float low[kWarp], high[kWarp];
  floats_of(words, 0, low);
  floats_of(words, 16, high);
  for (int lane = 0; lane < kWarp; ++lane) {
    values[2 * lane] = static_cast<double>(low[lane]);
    values[2 * lane + 1] = static_cast<double>(high[lane]);
  }
}

/// D = A B + C, A 16 x 8 and B 8 x 8 of halves, C and D 16 x 8 of floats; sums from double, rounded once. The hardware
/// adds in an order and precision that NVIDIA does not document. Lane 4 g + t holds the elements 2 t and 2 t + 1 of
/// rows g and g + 8 of A, C and D, and of column g of B: registers of all lanes side by side are eight rows, or
/// columns.
void multiply_matrices(Warp& warp, const Instruction& i) {
  expect_all_lanes(warp, i);
  double a[2][64], columns[64], b[8][8];
  float results[4][kWarp];
  widen(warp.lanes<uint32_t>(i.from[0]), a[0]);
  widen(warp.lanes<uint32_t>(i.from[1]), a[1]);
  widen(warp.lanes<uint32_t>(i.from[2]), columns);
  for (int k = 0; k < 8; ++k)
    for (int column = 0; column < 8; ++column) b[k][column] = columns[8 * column + k];
  for (int half = 0; half < 2; ++half) {
    const auto *left = warp.lanes<float>(i.from[3 + 2 * half]), *right = warp.lanes<float>(i.from[4 + 2 * half]);
    double sums[64];
    for (int lane = 0; lane < kWarp; ++lane) {
      sums[2 * lane] = static_cast<double>(left[lane]);
      sums[2 * lane + 1] = static_cast<double>(right[lane]);
    }
    for (int row = 0; row < 8; ++row)
      for (int k = 0; k < 8; ++k)
        for (int column = 0; column < 8; ++column) sums[8 * row + column] += a[half][8 * row + k] * b[k][column];
    for (int lane = 0; lane < kWarp; ++lane) {
      results[2 * half][lane] = static_cast<float>(sums[2 * lane]);
      results[2 * half + 1][lane] = static_cast<float>(sums[2 * lane + 1]);
    }
  }
  // Last, since a result may lie where an operand did.
  for (int n = 0; n < 4; ++n) std::memcpy(warp.lanes<float>(i.to[n]), results[n], sizeof results[n]);
}

void nothing(Warp&, const Instruction&) {}

Operation together(Execute execute, const std::string& to, const std::string& from) {
  return {execute, to, from, Control::together};
}

Operation shuffle_of(const Form& form) {
  const Execute execute = form.has("up")     ? shuffle<Shuffle::up>
                          : form.has("down") ? shuffle<Shuffle::down>
                          : form.has("bfly") ? shuffle<Shuffle::butterfly>
                                             : shuffle<Shuffle::index>;
  const bool tells = form.statement.operands[0].kind == Operand::Kind::list;
  Operation operation = together(form.has("sync") ? execute : nullptr, tells ? "4p" : "4", "4444");
  operation.count = tells ? 2 : 1;
  return operation;
}

Operation vote_of(const Form& form) {
  if (!form.has("sync")) return {};
  if (form.has("ballot")) return together(ballot, "4", "p4");
  return together(form.has("any") ? any : form.has("all") ? all : uniform_vote, "p", "p4");
}

Operation load_matrices_of(const Form& form) {
  const std::uint8_t count = form.has("x4") ? 4 : form.has("x2") ? 2 : 1;
  Operation operation =
      together(form.has("trans") ? load_matrices<true> : load_matrices<false>, std::string(count, '4'), "aM");
  if (!form.has("shared") || !form.has("m8n8")) return {};
  operation.count = count;
  operation.space = Space::shared;
  return operation;
}

Operation multiply_matrices_of(const Form& form) {
  const std::vector<std::string> known = {"f32", "f16", "f16", "f32"};
  if (form.types != known || !form.has("m16n8k8") || !form.has("row") || !form.has("col")) return {};
  return together(multiply_matrices, "4444", "4444444M");
}

}  // namespace

const std::vector<Row>& warp_rows() {
  static const std::vector<Row> rows = {
      {"shfl", "sync up down bfly idx", shuffle_of},
      {"vote", "sync ballot any all uni", vote_of},
      {"ldmatrix", "sync aligned m8n8 x1 x2 x4 trans shared", load_matrices_of},
      {"mma", "sync aligned m16n8k8 row col", multiply_matrices_of},
      {"bar", "warp sync",
       [](const Form& form) { return form.has("warp") ? together(nothing, "", "4") : Operation{}; }},
  };
  return rows;
}

}  // namespace ptx
}  // namespace tsugi
