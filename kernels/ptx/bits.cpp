// Moves, logic, shifts and bit fields. Source: PTX ISA, "Logic and shift instructions", "Data movement" (mov, prmt) and
// "Integer arithmetic" (bfe, bfi, popc, clz).
#include <algorithm>

#include "kernels/ptx/operations.h"

namespace tsugi {
namespace ptx {
namespace {

using std::uint32_t;
using std::uint64_t;

struct Same {
  template <typename T>
  static T of(T a) {
    return a;
  }
};
struct And {
  template <typename T>
  static T of(T a, T b) {
    return static_cast<T>(a & b);
  }
};
struct Or {
  template <typename T>
  static T of(T a, T b) {
    return static_cast<T>(a | b);
  }
};
struct Xor {
  template <typename T>
  static T of(T a, T b) {
    return static_cast<T>(a ^ b);
  }
};
struct Not {
  template <typename T>
  static T of(T a) {
    return static_cast<T>(~a);
  }
};

/// Shifts by the width or more give zeros, or the sign: amounts are clamped, not taken modulo the width.
struct ShiftLeft {
  template <typename T>
  static T of(T a, uint32_t by) {
    return by >= 8 * sizeof(T) ? T{0} : static_cast<T>(static_cast<uint64_t>(a) << by);
  }
};
struct ShiftRight {
  template <typename T>
  static T of(T a, uint32_t by) {
    constexpr uint32_t kBits = 8 * sizeof(T);
    if (by < kBits) return static_cast<T>(a >> by);
    return std::is_signed<T>::value ? static_cast<T>(a >> (kBits - 1)) : T{0};
  }
};

struct CountOnes {
  static uint32_t of(uint64_t a) { return static_cast<uint32_t>(__builtin_popcountll(a)); }
};
struct LeadingZeros32 {
  static uint32_t of(uint32_t a) { return a == 0 ? 32 : static_cast<uint32_t>(__builtin_clz(a)); }
};
struct LeadingZeros64 {
  static uint32_t of(uint64_t a) { return a == 0 ? 64 : static_cast<uint32_t>(__builtin_clzll(a)); }
};
struct Reverse {
  static uint32_t of(uint32_t a) {
    uint32_t reversed = 0;
    for (int bit = 0; bit < 32; ++bit) reversed |= (a >> bit & 1) << (31 - bit);
    return reversed;
  }
};

/// bfe: `length` bits from `position` on; what lies above the number is its sign, for signed types that of the last
/// bit extracted.
template <typename T>
void extract(Warp& warp, const Instruction& i) {
  using U = std::make_unsigned_t<T>;
  const auto* a = warp.lanes<Slot<T>>(i.from[0]);
  const auto *position = warp.lanes<uint32_t>(i.from[1]), *length = warp.lanes<uint32_t>(i.from[2]);
  each_lane(warp, warp.lanes<Slot<T>>(i.to[0]), [=](int lane) {
    constexpr uint32_t kBits = 8 * sizeof(T);
    const uint32_t from = position[lane] & 0xff, bits = length[lane] & 0xff;
    const T value = from_slot<T>(a[lane]);
    if (bits == 0) return Slot<T>{0};
    const T shifted = ShiftRight::of(value, from);
    if (bits >= kBits) return static_cast<Slot<T>>(shifted);
    const U mask = static_cast<U>((U{1} << bits) - 1);
    const U field = static_cast<U>(shifted) & mask;
    const bool sign =
        std::is_signed<T>::value && (ShiftRight::of(value, std::min(from + bits - 1, kBits - 1)) & 1) != 0;
    return static_cast<Slot<T>>(sign ? field | static_cast<U>(~mask) : field);
  });
}

/// bfi: a's low bits in b's place.
template <typename T>
void insert(Warp& warp, const Instruction& i) {
  const auto *a = warp.lanes<T>(i.from[0]), *b = warp.lanes<T>(i.from[1]);
  const auto *position = warp.lanes<uint32_t>(i.from[2]), *length = warp.lanes<uint32_t>(i.from[3]);
  each_lane(warp, warp.lanes<T>(i.to[0]), [=](int lane) {
    constexpr uint32_t kBits = 8 * sizeof(T);
    const uint32_t from = position[lane] & 0xff, bits = length[lane] & 0xff;
    if (from >= kBits) return b[lane];
    const T field = bits >= kBits ? ~T{0} : static_cast<T>((T{1} << bits) - 1);
    const T mask = static_cast<T>(field << from);
    return static_cast<T>((b[lane] & ~mask) | (static_cast<T>(a[lane] << from) & mask));
  });
}

/// prmt: each byte of the result is one of eight, or its sign.
void permute(Warp& warp, const Instruction& i) {
  const auto *a = warp.lanes<uint32_t>(i.from[0]), *b = warp.lanes<uint32_t>(i.from[1]);
  const auto* choice = warp.lanes<uint32_t>(i.from[2]);
  each_lane(warp, warp.lanes<uint32_t>(i.to[0]), [=](int lane) {
    const uint64_t bytes = static_cast<uint64_t>(b[lane]) << 32 | a[lane];
    uint32_t result = 0;
    for (int byte = 0; byte < 4; ++byte) {
      const uint32_t selector = choice[lane] >> 4 * byte & 15;
      uint32_t value = static_cast<uint32_t>(bytes >> 8 * (selector & 7)) & 255;
      if (selector & 8) value = value & 128 ? 255 : 0;
      result |= value << 8 * byte;
    }
    return result;
  });
}

/// lop3: any function of three bits, by its table.
void logic_of_three(Warp& warp, const Instruction& i) {
  const auto *a = warp.lanes<uint32_t>(i.from[0]), *b = warp.lanes<uint32_t>(i.from[1]);
  const auto *c = warp.lanes<uint32_t>(i.from[2]), *table = warp.lanes<uint32_t>(i.from[3]);
  each_lane(warp, warp.lanes<uint32_t>(i.to[0]), [=](int lane) {
    uint32_t result = 0;
    for (uint32_t row = 0; row < 8; ++row) {
      const uint32_t here =
          (row & 4 ? a[lane] : ~a[lane]) & (row & 2 ? b[lane] : ~b[lane]) & (row & 1 ? c[lane] : ~c[lane]);
      result |= table[lane] >> row & 1 ? here : 0;
    }
    return result;
  });
}

/// shf: 32 bits of the 64 of b and a, b above.
template <bool kLeft, bool kWrap>
void funnel(Warp& warp, const Instruction& i) {
  const auto *a = warp.lanes<uint32_t>(i.from[0]), *b = warp.lanes<uint32_t>(i.from[1]);
  const auto* amount = warp.lanes<uint32_t>(i.from[2]);
  each_lane(warp, warp.lanes<uint32_t>(i.to[0]), [=](int lane) {
    const uint64_t both = static_cast<uint64_t>(b[lane]) << 32 | a[lane];
    const uint32_t by = kWrap ? amount[lane] & 31 : std::min(amount[lane], 32u);
    return static_cast<uint32_t>(kLeft ? (both << by) >> 32 : both >> by);
  });
}

/// mov of a list: {low, ..., high} to one register, and back. Parts are of `Bits` bits each.
template <typename Whole, int Bits>
void pack(Warp& warp, const Instruction& i) {
  each_lane(warp, warp.lanes<Whole>(i.to[0]), [&](int lane) {
    Whole whole = 0;
    for (unsigned part = 0; part < 8 * sizeof(Whole) / Bits; ++part) {
      const Whole bits = warp.lanes<uint32_t>(i.from[part])[lane] & static_cast<Whole>((uint64_t{1} << Bits) - 1);
      whole |= static_cast<Whole>(bits << (Bits * part));
    }
    return whole;
  });
}

template <typename Whole, int Bits>
void unpack(Warp& warp, const Instruction& i) {
  Whole whole[kWarp];
  std::memcpy(whole, warp.lanes<Whole>(i.from[0]), sizeof whole);
  for (unsigned part = 0; part < 8 * sizeof(Whole) / Bits; ++part) {
    each_lane(warp, warp.lanes<uint32_t>(i.to[part]), [&](int lane) {
      return static_cast<uint32_t>(whole[lane] >> (Bits * part) & static_cast<Whole>((uint64_t{1} << Bits) - 1));
    });
  }
}

template <typename Op>
Operation two(const Form& form) {
  return uniform(
      with_integer(form.type(), [](auto v) -> Execute { return binary<decltype(v), decltype(v), decltype(v), Op>; }),
      form.type(), 2);
}

template <typename Op>
Operation shift(const Form& form) {
  Operation operation = two<And>(form);
  operation.execute =
      with_integer(form.type(), [](auto v) -> Execute { return binary<decltype(v), decltype(v), uint32_t, Op>; });
  operation.from[1] = '4';
  return operation;
}

Operation invert(const Form& form) {
  return uniform(with_integer(form.type(), [](auto v) -> Execute { return unary<decltype(v), decltype(v), Not>; }),
                 form.type(), 1);
}

Operation move(const Form& form) {
  const Operand &to = form.statement.operands[0], &from = form.statement.operands[1];
  const bool wide = width(form.type()) == '8';
  if (to.kind == Operand::Kind::list) {
    const std::size_t parts = to.parts.size();
    return {wide ? (parts == 2   ? unpack<uint64_t, 32>
                    : parts == 4 ? unpack<uint64_t, 16>
                                 : nullptr)
                 : (parts == 2 ? unpack<uint32_t, 16> : nullptr),
            std::string(parts, '4'), wide ? "8" : "4"};
  }
  if (from.kind == Operand::Kind::list) {
    const std::size_t parts = from.parts.size();
    return {wide ? (parts == 2   ? pack<uint64_t, 32>
                    : parts == 4 ? pack<uint64_t, 16>
                                 : nullptr)
                 : (parts == 2 ? pack<uint32_t, 16> : nullptr),
            wide ? "8" : "4", std::string(parts, '4')};
  }
  return uniform(wide ? unary<uint64_t, uint64_t, Same> : unary<uint32_t, uint32_t, Same>, form.type(), 1);
}

Operation extract_field(const Form& form) {
  if (form.type()[1] == '1') return {};
  const char w = width(form.type());
  return {with_integer(form.type(), [](auto v) -> Execute { return extract<decltype(v)>; }), std::string(1, w),
          std::string(1, w) + "44"};
}

Operation insert_field(const Form& form) {
  const char w = width(form.type());
  return {w == '8' ? insert<uint64_t> : insert<uint32_t>, std::string(1, w), std::string(2, w) + "44"};
}

Operation funnel_shift(const Form& form) {
  const bool wrap = form.has("wrap");
  if (!wrap && !form.has("clamp")) return {};
  if (form.has("l")) return {wrap ? funnel<true, true> : funnel<true, false>, "4", "444"};
  return {wrap ? funnel<false, true> : funnel<false, false>, "4", "444"};
}

Operation count_ones(const Form& form) {
  return width(form.type()) == '8' ? Operation{unary<uint32_t, uint64_t, CountOnes>, "4", "8"}
                                   : Operation{unary<uint32_t, uint32_t, CountOnes>, "4", "4"};
}

Operation leading_zeros(const Form& form) {
  return width(form.type()) == '8' ? Operation{unary<uint32_t, uint64_t, LeadingZeros64>, "4", "8"}
                                   : Operation{unary<uint32_t, uint32_t, LeadingZeros32>, "4", "4"};
}

}  // namespace

const std::vector<Row>& bit_rows() {
  static const std::vector<Row> rows = {
      {"mov", "", move},
      {"and", "", two<And>},
      {"or", "", two<Or>},
      {"xor", "", two<Xor>},
      {"not", "", invert},
      {"shl", "", shift<ShiftLeft>},
      {"shr", "", shift<ShiftRight>},
      {"bfe", "", extract_field},
      {"bfi", "", insert_field},
      {"popc", "", count_ones},
      {"clz", "", leading_zeros},
      {"brev", "",
       [](const Form&) -> Operation {
         return {unary<uint32_t, uint32_t, Reverse>, "4", "4"};
       }},
      {"prmt", "",
       [](const Form&) -> Operation {
         return {permute, "4", "444"};
       }},
      {"lop3", "",
       [](const Form&) -> Operation {
         return {logic_of_three, "4", "4444"};
       }},
      {"shf", "l r wrap clamp", funnel_shift},
  };
  return rows;
}

}  // namespace ptx
}  // namespace tsugi
