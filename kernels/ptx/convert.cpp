// cvt between all types of numbers, and cvta between a space's addresses and generic ones. Source: PTX ISA, "cvt" and
// "cvta".
#include <cmath>
#include <limits>

#include "kernels/ptx/halves.h"
#include "kernels/ptx/memory.h"
#include "kernels/ptx/operations.h"

namespace tsugi {
namespace ptx {
namespace {

/// To the integer that the instruction names: .rni, .rzi, .rmi, .rpi.
struct Nearest {
  static double of(double v) { return std::nearbyint(v); }
};
struct TowardsZero {
  static double of(double v) { return std::trunc(v); }
};
struct Down {
  static double of(double v) { return std::floor(v); }
};
struct Up {
  static double of(double v) { return std::ceil(v); }
};
struct Exact {
  static double of(double v) { return v; }
};

/// .sat of a floating-point result; NaN becomes 0.
template <typename T>
T in_unit_interval(T v) {
  return v > T{0} ? (v < T{1} ? v : T{1}) : T{0};
}

inline double value_of(Half v) { return static_cast<double>(to_float(v)); }
inline double value_of(float v) { return static_cast<double>(v); }
inline double value_of(double v) { return v; }

/// Out of range it is the nearest number of the type. NaN: 0, or the highest bit alone where either side has 64 bits.
template <typename To, typename From, typename Round>
struct ToInteger {
  static To of(From from) {
    const double v = Round::of(value_of(from));
    if (v != v) {
      const bool zero = sizeof(From) != 8 && sizeof(To) != 8;
      return zero ? To{0} : static_cast<To>(std::make_unsigned_t<To>{1} << (8 * sizeof(To) - 1));
    }
    if (v <= static_cast<double>(std::numeric_limits<To>::min())) return std::numeric_limits<To>::min();
    if (v >= static_cast<double>(std::numeric_limits<To>::max())) return std::numeric_limits<To>::max();
    return static_cast<To>(v);
  }
};

template <typename To>
struct FromInteger {
  template <typename From>
  static To of(From from) {
    if constexpr (std::is_same<To, Half>::value)
      return to_half(static_cast<double>(from));
    else
      return static_cast<To>(from);
  }
};

template <typename To>
struct FloatToFloat {
  template <typename From>
  static To of(From from) {
    if constexpr (std::is_same<To, From>::value)
      return from;
    else if constexpr (std::is_same<From, Half>::value)
      return static_cast<To>(to_float(from));
    else if constexpr (std::is_same<To, Half>::value)
      return to_half(from);
    else
      return static_cast<To>(from);
  }
};
template <typename Round>
struct ToWhole {
  template <typename T>
  static T of(T from) {
    return static_cast<T>(Round::of(static_cast<double>(from)));
  }
};
struct Saturate {
  static float of(float from) { return in_unit_interval(from); }
};

template <typename F>
Execute with_any_integer(const std::string& type, F f) {
  if (type == "u8" || type == "b8") return f(std::uint8_t{});
  if (type == "s8") return f(std::int8_t{});
  return with_integer(type, f);
}

template <typename F>
Execute with_float(const std::string& type, F f) {
  if (type == "f16") return f(Half{});
  if (type == "f32") return f(float{});
  if (type == "f64") return f(double{});
  return nullptr;
}

template <typename F>
Execute with_integer_rounding(const Form& form, F f) {
  if (form.has("rni")) return f(Nearest{});
  if (form.has("rzi")) return f(TowardsZero{});
  if (form.has("rmi")) return f(Down{});
  if (form.has("rpi")) return f(Up{});
  return nullptr;
}

/// The operand of a conversion is read by its type, the result written by its own, whatever their registers' widths.
template <typename To, typename From, typename Op>
Execute conversion() {
  return unary<To, From, Op>;
}

Execute float_to_float(const Form& form, const std::string& to, const std::string& from) {
  if (form.has("sat")) return to == "f32" && from == "f32" ? conversion<float, float, Saturate>() : nullptr;
  if (to == "f32" && from == "f32" && form.statement.opcode.size() == 4) {
    return with_integer_rounding(
        form, [](auto round) -> Execute { return conversion<float, float, ToWhole<decltype(round)>>(); });
  }
  if (form.has("rni") || form.has("rzi") || form.has("rmi") || form.has("rpi")) return nullptr;
  return with_float(to, [&](auto t) {
    return with_float(
        from, [](auto f) -> Execute { return conversion<decltype(t), decltype(f), FloatToFloat<decltype(t)>>(); });
  });
}

Execute of_integers(const std::string& to, const std::string& from) {
  return with_any_integer(to, [&](auto t) {
    return with_any_integer(
        from, [](auto f) -> Execute { return conversion<decltype(t), decltype(f), FromInteger<decltype(t)>>(); });
  });
}

Operation convert(const Form& form) {
  const std::string &to = form.types.front(), &from = form.types.back();
  const std::string shape_to(1, width(to)), shape_from(1, width(from));
  if (to == "f16x2") {  // two floats to a pair of halves, the first in the upper one
    const Execute pair = [](Warp& warp, const Instruction& i) {
      std::uint32_t high[kWarp], low[kWarp];
      halves_of(warp.lanes<float>(i.from[0]), high);
      halves_of(warp.lanes<float>(i.from[1]), low);
      each_lane(warp, warp.lanes<std::uint32_t>(i.to[0]), [&](int lane) { return high[lane] << 16 | low[lane]; });
    };
    return {from == "f32" && form.has("rn") ? pair : nullptr, "4", "44"};
  }
  if (to[0] == 'f' && from[0] == 'f') return {float_to_float(form, to, from), shape_to, shape_from};
  if (to[0] != 'f' && from[0] != 'f') return {form.has("sat") ? nullptr : of_integers(to, from), shape_to, shape_from};
  if (to[0] == 'f') {
    return {form.has("rn") && !form.has("sat")
                ? with_float(to,
                             [&](auto t) {
                               return with_any_integer(from, [](auto f) -> Execute {
                                 return conversion<decltype(t), decltype(f), FromInteger<decltype(t)>>();
                               });
                             })
                : nullptr,
            shape_to, shape_from};
  }
  return {with_integer(to,
                       [&](auto t) {
                         return with_float(from, [&](auto f) {
                           return with_integer_rounding(form, [](auto round) -> Execute {
                             using To = decltype(t);
                             using From = decltype(f);
                             return conversion<To, From, ToInteger<To, From, decltype(round)>>();
                           });
                         });
                       }),
          shape_to, shape_from};
}

template <std::uint64_t kWindow, bool kToSpace>
struct Shift {
  static std::uint64_t of(std::uint64_t a) { return kToSpace ? a - kWindow : a + kWindow; }
};

template <std::uint64_t kWindow>
Execute between(bool to_space) {
  return to_space ? unary<std::uint64_t, std::uint64_t, Shift<kWindow, true>>
                  : unary<std::uint64_t, std::uint64_t, Shift<kWindow, false>>;
}

Operation convert_address(const Form& form) {
  const bool to_space = form.has("to");
  const Execute execute = form.type() != "u64" ? nullptr
                          : form.has("global") ? between<0>(to_space)
                          : form.has("shared") ? between<kSharedWindow>(to_space)
                          : form.has("local")  ? between<kLocalWindow>(to_space)
                          : form.has("param")  ? between<kParamWindow>(to_space)
                                               : nullptr;
  return {execute, "8", "8"};
}

}  // namespace

const std::vector<Row>& convert_rows() {
  static const std::vector<Row> rows = {
      {"cvt", "rn rni rzi rmi rpi sat", convert},
      {"cvta", "to global shared local param", convert_address},
  };
  return rows;
}

}  // namespace ptx
}  // namespace tsugi
