// Comparisons, selections and logic of predicates, which are a bit a lane. Source: PTX ISA, "Comparison and selection
// instructions".
#include "kernels/ptx/halves.h"
#include "kernels/ptx/operations.h"

namespace tsugi {
namespace ptx {
namespace {

using std::uint32_t;
using std::uint64_t;

/// Ordered comparisons are false for NaN, unordered ones (..u) true.
struct Equal {
  template <typename T>
  static bool of(T a, T b) {
    return a == b;
  }
};
struct NotEqual {
  template <typename T>
  static bool of(T a, T b) {
    return a < b || a > b;
  }
};
struct Less {
  template <typename T>
  static bool of(T a, T b) {
    return a < b;
  }
};
struct LessEqual {
  template <typename T>
  static bool of(T a, T b) {
    return a <= b;
  }
};
struct Greater {
  template <typename T>
  static bool of(T a, T b) {
    return a > b;
  }
};
struct GreaterEqual {
  template <typename T>
  static bool of(T a, T b) {
    return a >= b;
  }
};
struct Numbers {
  template <typename T>
  static bool of(T a, T b) {
    return a == a && b == b;
  }
};
template <typename Op>
struct Opposite {
  template <typename T>
  static bool of(T a, T b) {
    return !Op::of(a, b);
  }
};

/// What is joined with the comparison: setp.lt.and p, a, b, q.
enum class Join : std::uint8_t { none, with_and, with_or, with_xor };

void keep(Warp& warp, const Instruction& i, uint32_t result) {
  const Join join = static_cast<Join>(i.count - 1);
  if (join != Join::none) {
    const uint32_t other = i.negated ? ~warp.predicate(i.from[2]) : warp.predicate(i.from[2]);
    result = join == Join::with_and ? result & other : join == Join::with_or ? result | other : result ^ other;
  }
  set_predicate(warp, i.to[0], result);
}

template <typename T, typename Op>
void compare(Warp& warp, const Instruction& i) {
  const auto *a = warp.lanes<Slot<T>>(i.from[0]), *b = warp.lanes<Slot<T>>(i.from[1]);
  uint32_t result = 0;
  for (int lane = 0; lane < kWarp; ++lane) {
    result |= static_cast<uint32_t>(Op::of(from_slot<T>(a[lane]), from_slot<T>(b[lane]))) << lane;
  }
  keep(warp, i, result);
}

template <typename Op>
void compare_halves(Warp& warp, const Instruction& i) {
  float a[kWarp], b[kWarp];
  floats_of(warp.lanes<uint32_t>(i.from[0]), 0, a);
  floats_of(warp.lanes<uint32_t>(i.from[1]), 0, b);
  uint32_t result = 0;
  for (int lane = 0; lane < kWarp; ++lane) result |= static_cast<uint32_t>(Op::of(a[lane], b[lane])) << lane;
  keep(warp, i, result);
}

template <typename Op>
Execute of_type(const std::string& type) {
  if (type == "f16") return compare_halves<Op>;
  return with_number(type, [](auto v) -> Execute { return compare<decltype(v), Op>; });
}

Execute comparison(const std::string& name, const std::string& type) {
  const bool number = type[0] == 'f';
  if (name == "eq") return of_type<Equal>(type);
  if (name == "ne") return of_type<NotEqual>(type);
  if (name == "lt") return of_type<Less>(type);
  if (name == "le") return of_type<LessEqual>(type);
  if (name == "gt") return of_type<Greater>(type);
  if (name == "ge") return of_type<GreaterEqual>(type);
  if (!number && (name == "lo" || name == "ls" || name == "hi" || name == "hs")) {
    return comparison(name == "lo" ? "lt" : name == "ls" ? "le" : name == "hi" ? "gt" : "ge", "u" + type.substr(1));
  }
  if (!number) return nullptr;
  if (name == "equ") return of_type<Opposite<NotEqual>>(type);
  if (name == "neu") return of_type<Opposite<Equal>>(type);
  if (name == "ltu") return of_type<Opposite<GreaterEqual>>(type);
  if (name == "leu") return of_type<Opposite<Greater>>(type);
  if (name == "gtu") return of_type<Opposite<LessEqual>>(type);
  if (name == "geu") return of_type<Opposite<Less>>(type);
  if (name == "num") return of_type<Numbers>(type);
  if (name == "nan") return of_type<Opposite<Numbers>>(type);
  return nullptr;
}

Operation set_predicates(const Form& form) {
  Operation operation = uniform(comparison(form.statement.opcode[1], form.type()), form.type(), 2);
  operation.to = "p";
  const Join join = form.has("and")   ? Join::with_and
                    : form.has("or")  ? Join::with_or
                    : form.has("xor") ? Join::with_xor
                                      : Join::none;
  if (join != Join::none) operation.from += 'p';
  operation.count = static_cast<std::uint8_t>(1 + static_cast<int>(join));
  return operation;
}

template <typename S>
void choose(Warp& warp, const Instruction& i) {
  const auto *a = warp.lanes<S>(i.from[0]), *b = warp.lanes<S>(i.from[1]);
  const uint32_t first = i.negated ? ~warp.predicate(i.from[2]) : warp.predicate(i.from[2]);
  each_lane(warp, warp.lanes<S>(i.to[0]), [=](int lane) { return first >> lane & 1 ? a[lane] : b[lane]; });
}

template <uint32_t (*function)(uint32_t, uint32_t)>
void logic(Warp& warp, const Instruction& i) {
  set_predicate(warp, i.to[0], function(warp.predicate(i.from[0]), warp.predicate(i.from[1])));
}
uint32_t both(uint32_t a, uint32_t b) { return a & b; }
uint32_t either(uint32_t a, uint32_t b) { return a | b; }
uint32_t one_only(uint32_t a, uint32_t b) { return a ^ b; }

template <bool kInvert>
void copy(Warp& warp, const Instruction& i) {
  const uint32_t from = warp.predicate(i.from[0]);
  set_predicate(warp, i.to[0], kInvert ? ~from : from);
}

}  // namespace

const std::vector<Row>& predicate_rows() {
  static const std::vector<Row> rows = {
      {"setp", "eq ne lt le gt ge lo ls hi hs equ neu ltu leu gtu geu num nan and or xor", set_predicates},
      {"selp", "",
       [](const Form& form) -> Operation {
         Operation operation = uniform(width(form.type()) == '8' ? choose<uint64_t> : choose<uint32_t>, form.type(), 2);
         operation.from += 'p';
         return operation;
       }},
      {"and", "",
       [](const Form&) -> Operation {
         return {logic<both>, "p", "pp"};
       }},
      {"or", "",
       [](const Form&) -> Operation {
         return {logic<either>, "p", "pp"};
       }},
      {"xor", "",
       [](const Form&) -> Operation {
         return {logic<one_only>, "p", "pp"};
       }},
      {"not", "",
       [](const Form&) -> Operation {
         return {copy<true>, "p", "p"};
       }},
      {"mov", "",
       [](const Form&) -> Operation {
         return {copy<false>, "p", "p"};
       }},
  };
  return rows;
}

}  // namespace ptx
}  // namespace tsugi
