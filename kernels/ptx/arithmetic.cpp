// Integer, float32 and float64 arithmetic. Source: PTX ISA, "Integer arithmetic instructions" and "Floating point
// instructions". What the hardware approximates (ex2, rsqrt, sin, ...) is computed as exactly as the host can.
#include <cmath>
#include <limits>

#include "kernels/ptx/operations.h"
#include "kernels/ptx/rounding.h"

namespace tsugi {
namespace ptx {
namespace {

/// Integers wrap: they are added as unsigned numbers, of at least 32 bits, so that nothing is promoted to int.
template <typename T>
using Wrapping = std::conditional_t<sizeof(T) == 8, std::uint64_t, std::uint32_t>;
template <typename T>
constexpr bool kInteger = std::is_integral<T>::value;
template <typename T>
using Twice = std::conditional_t<
    sizeof(T) == 8, std::conditional_t<std::is_signed<T>::value, Int128, Uint128>,
    std::conditional_t<sizeof(T) == 4, std::conditional_t<std::is_signed<T>::value, std::int64_t, std::uint64_t>,
                       std::conditional_t<std::is_signed<T>::value, std::int32_t, std::uint32_t>>>;

struct Add {
  template <typename T>
  static T of(T a, T b) {
    if constexpr (kInteger<T>)
      return static_cast<T>(static_cast<Wrapping<T>>(a) + static_cast<Wrapping<T>>(b));
    else
      return a + b;
  }
};
struct Subtract {
  template <typename T>
  static T of(T a, T b) {
    if constexpr (kInteger<T>)
      return static_cast<T>(static_cast<Wrapping<T>>(a) - static_cast<Wrapping<T>>(b));
    else
      return a - b;
  }
};
struct Multiply {  // integers: .lo
  template <typename T>
  static T of(T a, T b) {
    if constexpr (kInteger<T>)
      return static_cast<T>(static_cast<Wrapping<T>>(a) * static_cast<Wrapping<T>>(b));
    else
      return a * b;
  }
};
struct MultiplyHigh {
  template <typename T>
  static T of(T a, T b) {
    return static_cast<T>((static_cast<Twice<T>>(a) * static_cast<Twice<T>>(b)) >> (8 * sizeof(T)));
  }
};
struct MultiplyWide {
  template <typename T>
  static Twice<T> of(T a, T b) {
    return static_cast<Twice<T>>(a) * static_cast<Twice<T>>(b);
  }
};
template <typename Product>
struct AndAdd {
  template <typename T, typename C>
  static C of(T a, T b, C c) {
    return Add::of(static_cast<C>(Product::of(a, b)), c);
  }
};
struct Fused {
  static float of(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
  static double of(double a, double b, double c) { return __builtin_fma(a, b, c); }
};
template <Rounding rounding>
struct FusedTo {
  static float of(float a, float b, float c) { return fused(a, b, c, rounding); }
};
struct Divide {  // by zero: unspecified; all ones is what the hardware gives
  template <typename T>
  static T of(T a, T b) {
    if constexpr (!kInteger<T>) {
      return a / b;
    } else {
      if (b == 0) return static_cast<T>(-1);
      if (std::is_signed<T>::value && b == static_cast<T>(-1)) return Subtract::of(T{0}, a);
      return static_cast<T>(a / b);
    }
  }
};
struct Remainder {
  template <typename T>
  static T of(T a, T b) {
    if (b == 0) return a;
    if (std::is_signed<T>::value && b == static_cast<T>(-1)) return 0;
    return static_cast<T>(a % b);
  }
};
struct Minimum {  // of a NaN and a number the number; -0 is below +0
  template <typename T>
  static T of(T a, T b) {
    if constexpr (!kInteger<T>) {
      if (a != a) return b;
      if (b != b) return a;
      if (a == b) return std::signbit(a) ? a : b;
    }
    return a < b ? a : b;
  }
};
struct Maximum {
  template <typename T>
  static T of(T a, T b) {
    if constexpr (!kInteger<T>) {
      if (a != a) return b;
      if (b != b) return a;
      if (a == b) return std::signbit(a) ? b : a;
    }
    return a > b ? a : b;
  }
};
struct Absolute {
  template <typename T>
  static T of(T a) {
    if constexpr (!kInteger<T>)
      return std::fabs(a);
    else
      return a < 0 ? Subtract::of(T{0}, a) : a;
  }
};
struct Negative {
  template <typename T>
  static T of(T a) {
    if constexpr (!kInteger<T>)
      return -a;
    else
      return Subtract::of(T{0}, a);
  }
};
struct Reciprocal {
  template <typename T>
  static T of(T a) {
    return T{1} / a;
  }
};
struct SquareRoot {
  template <typename T>
  static T of(T a) {
    return std::sqrt(a);
  }
};

/// .ftz: subnormal operands and results are zeros of their sign.
inline float flushed(float v) { return std::fabs(v) < std::numeric_limits<float>::min() ? std::copysign(0.0f, v) : v; }

template <double (*function)(double)>
struct Approximate {
  static float of(float a) { return static_cast<float>(function(static_cast<double>(a))); }
};
template <typename Op>
struct Flushing {
  static float of(float a) { return flushed(Op::of(flushed(a))); }
};
double reciprocal_root(double a) { return 1.0 / std::sqrt(a); }
double power_of_two(double a) { return std::exp2(a); }
double logarithm(double a) { return std::log2(a); }
double sine(double a) { return std::sin(a); }
double cosine(double a) { return std::cos(a); }
double hyperbolic_tangent(double a) { return std::tanh(a); }

template <typename Op>
Operation two(const Form& form) {
  return uniform(
      with_number(form.type(), [](auto v) -> Execute { return binary<decltype(v), decltype(v), decltype(v), Op>; }),
      form.type(), 2);
}

template <typename Op>
Operation two_integers(const Form& form) {
  return uniform(
      with_integer(form.type(), [](auto v) -> Execute { return binary<decltype(v), decltype(v), decltype(v), Op>; }),
      form.type(), 2);
}

template <typename Op>
Operation one(const Form& form) {
  return uniform(with_number(form.type(), [](auto v) -> Execute { return unary<decltype(v), decltype(v), Op>; }),
                 form.type(), 1);
}

template <typename Op>
Operation one_float(const Form& form) {
  const std::string& type = form.type();
  return uniform(type == "f32"   ? unary<float, float, Op>
                 : type == "f64" ? unary<double, double, Op>
                                 : nullptr,
                 type, 1);
}

template <typename Op>
Operation approximate(const Form& form) {
  if (form.type() != "f32") return {};
  return uniform(form.has("ftz") ? unary<float, float, Flushing<Op>> : unary<float, float, Op>, "f32", 1);
}

/// Types whose products of twice the width fit a register.
template <typename F>
Execute with_narrow(const std::string& type, F f) {
  if (type == "u32") return f(std::uint32_t{});
  if (type == "s32") return f(std::int32_t{});
  if (type == "u16") return f(std::uint16_t{});
  if (type == "s16") return f(std::int16_t{});
  return nullptr;
}

std::string twice(const std::string& type) { return type[1] == '1' ? "u32" : "u64"; }

Operation multiply(const Form& form) {
  const std::string& type = form.type();
  if (form.has("hi")) return two_integers<MultiplyHigh>(form);
  if (!form.has("wide")) return two<Multiply>(form);
  const Execute wide = with_narrow(type, [](auto v) -> Execute {
    using T = decltype(v);
    return binary<Twice<T>, T, T, MultiplyWide>;
  });
  return {wide, std::string(1, width(twice(type))), "44"};
}

Operation multiply_add(const Form& form) {
  const std::string& type = form.type();
  if (form.has("wide")) {
    const Execute wide = with_narrow(type, [](auto v) -> Execute {
      using T = decltype(v);
      return ternary<Twice<T>, T, Twice<T>, AndAdd<MultiplyWide>>;
    });
    const std::string to(1, width(twice(type)));
    return {wide, to, "44" + to};
  }
  const bool high = form.has("hi");
  if (!high && !form.has("lo")) return {};
  return uniform(with_integer(type,
                              [=](auto v) -> Execute {
                                using T = decltype(v);
                                return high ? ternary<T, T, T, AndAdd<MultiplyHigh>>
                                            : ternary<T, T, T, AndAdd<Multiply>>;
                              }),
                 type, 3);
}

Operation fuse(const Form& form) {
  if (form.type() == "f64" && form.has("rn")) return uniform(ternary<double, double, double, Fused>, "f64", 3);
  if (form.type() != "f32") return {};
  Execute execute = ternary<float, float, float, Fused>;
  if (form.has("rz")) execute = ternary<float, float, float, FusedTo<Rounding::zero>>;
  if (form.has("rm")) execute = ternary<float, float, float, FusedTo<Rounding::down>>;
  if (form.has("rp")) execute = ternary<float, float, float, FusedTo<Rounding::up>>;
  return uniform(execute, "f32", 3);
}

}  // namespace

const std::vector<Row>& arithmetic_rows() {
  static const std::vector<Row> rows = {
      {"add", "rn", two<Add>},
      {"sub", "rn", two<Subtract>},
      {"mul", "rn lo hi wide", multiply},
      {"mad", "lo hi wide", multiply_add},
      {"fma", "rn rz rm rp", fuse},
      {"div", "rn full approx", two<Divide>},
      {"rem", "", two_integers<Remainder>},
      {"min", "", two<Minimum>},
      {"max", "", two<Maximum>},
      {"abs", "", one<Absolute>},
      {"neg", "", one<Negative>},
      {"rcp", "rn approx", one_float<Reciprocal>},
      {"sqrt", "rn approx", one_float<SquareRoot>},
      {"rsqrt", "approx ftz", approximate<Approximate<reciprocal_root>>},
      {"ex2", "approx ftz", approximate<Approximate<power_of_two>>},
      {"lg2", "approx ftz", approximate<Approximate<logarithm>>},
      {"sin", "approx ftz", approximate<Approximate<sine>>},
      {"cos", "approx ftz", approximate<Approximate<cosine>>},
      {"tanh", "approx", approximate<Approximate<hyperbolic_tangent>>},
  };
  return rows;
}

}  // namespace ptx
}  // namespace tsugi
