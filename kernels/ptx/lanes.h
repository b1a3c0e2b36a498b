// A warp's registers, and the loops over its 32 lanes, written so that the compiler makes vector code of them. With
// some lanes inactive all 32 are computed and the active ones kept: no operation faults.
#pragma once

#include <cstring>
#include <type_traits>

#include "kernels/ptx/code.h"

namespace tsugi {
namespace ptx {

class Block;

struct Warp {
  std::uint8_t* registers = nullptr;
  std::uint32_t active = kAllLanes;
  std::uint32_t alive = kAllLanes;  ///< lanes that have not left
  std::uint32_t index = 0;          ///< within the block
  std::uint32_t meetings = 0;       ///< warp-level instructions so far: what lies between two of them is unordered
  Block* block = nullptr;

  template <typename T>
  T* lanes(std::uint32_t place) {
    return reinterpret_cast<T*>(registers + place);
  }
  std::uint32_t& predicate(std::uint32_t place) { return *lanes<std::uint32_t>(place); }
};

template <typename To, typename From>
inline To same_bits(From from) {
  static_assert(sizeof(To) == sizeof(From), "bits are kept");
  To to;
  std::memcpy(&to, &from, sizeof to);
  return to;
}

__extension__ typedef __int128 Int128;  // no keyword of ISO C++: -Wpedantic would warn
__extension__ typedef unsigned __int128 Uint128;

/// binary16, by its bits.
struct Half {
  std::uint16_t bits;
};

/// What a lane's element of a register is stored as.
template <typename T>
using Slot = std::conditional_t<sizeof(T) == 8, std::uint64_t, std::uint32_t>;

/// A T from a register at least as wide: its low bits.
template <typename T, typename S>
inline T from_slot(S slot) {
  if constexpr (std::is_integral<T>::value) {
    return static_cast<T>(slot);
  } else if constexpr (sizeof(T) == 2) {
    return same_bits<T>(static_cast<std::uint16_t>(slot));
  } else {
    return same_bits<T>(static_cast<Slot<T>>(slot));
  }
}

/// A T as a register holds it: signed numbers keep their value in a wider register, all others get zeros above.
template <typename S, typename T>
inline S to_slot(T value) {
  if constexpr (std::is_integral<T>::value) {
    return static_cast<S>(static_cast<std::conditional_t<std::is_signed<T>::value, std::make_signed_t<S>, S>>(value));
  } else if constexpr (sizeof(T) == 2) {
    return same_bits<std::uint16_t>(value);
  } else {
    return static_cast<S>(same_bits<Slot<T>>(value));
  }
}

/// to[lane] = f(lane) for every active lane; f may read what `to` is in the same lane.
template <typename S, typename F>
inline void each_lane(const Warp& warp, S* to, F f) {
  if (warp.active == kAllLanes) {
#pragma GCC ivdep
    for (int lane = 0; lane < kWarp; ++lane) to[lane] = f(lane);
    return;
  }
  S made[kWarp];
  for (int lane = 0; lane < kWarp; ++lane) made[lane] = f(lane);
  const std::uint32_t active = warp.active;
#pragma GCC ivdep
  for (int lane = 0; lane < kWarp; ++lane) to[lane] = active >> lane & 1 ? made[lane] : to[lane];
}

/// Calls f(lane) for every active lane, lowest first.
template <typename F>
inline void each_active(std::uint32_t active, F f) {
  for (; active != 0; active &= active - 1) f(__builtin_ctz(active));
}

inline void set_predicate(Warp& warp, std::uint32_t place, std::uint32_t value) {
  std::uint32_t& predicate = warp.predicate(place);
  predicate = (predicate & ~warp.active) | (value & warp.active);
}

template <typename To, typename A, typename Op>
void unary(Warp& warp, const Instruction& i) {
  const auto* a = warp.lanes<Slot<A>>(i.from[0]);
  each_lane(warp, warp.lanes<Slot<To>>(i.to[0]),
            [=](int lane) { return to_slot<Slot<To>>(static_cast<To>(Op::of(from_slot<A>(a[lane])))); });
}

template <typename To, typename A, typename B, typename Op>
void binary(Warp& warp, const Instruction& i) {
  const auto* a = warp.lanes<Slot<A>>(i.from[0]);
  const auto* b = warp.lanes<Slot<B>>(i.from[1]);
  each_lane(warp, warp.lanes<Slot<To>>(i.to[0]), [=](int lane) {
    return to_slot<Slot<To>>(static_cast<To>(Op::of(from_slot<A>(a[lane]), from_slot<B>(b[lane]))));
  });
}

template <typename To, typename A, typename C, typename Op>
void ternary(Warp& warp, const Instruction& i) {
  const auto* a = warp.lanes<Slot<A>>(i.from[0]);
  const auto* b = warp.lanes<Slot<A>>(i.from[1]);
  const auto* c = warp.lanes<Slot<C>>(i.from[2]);
  each_lane(warp, warp.lanes<Slot<To>>(i.to[0]), [=](int lane) {
    return to_slot<Slot<To>>(
        static_cast<To>(Op::of(from_slot<A>(a[lane]), from_slot<A>(b[lane]), from_slot<C>(c[lane]))));
  });
}

}  // namespace ptx
}  // namespace tsugi
