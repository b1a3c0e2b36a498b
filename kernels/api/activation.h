// Activations: which there are, their functions and derivatives. The only place of this mathematics: the reference runs
// it in double, CPU loops in vectors of float, GPU kernels an element a thread. C++14: CUDA compilers read it too.
#pragma once

#include <math.h>

#include "kernels/api/types.h"
#if !defined(__CUDACC_RTC__)
#include <cstring>
#endif

// ACTIVATION(kind, function). The sign of a rectifier's output says what its derivative was, so that any tensor made
// from the output serves backward; the others need their input, which the forward pass saves.
#define TSUGI_RECTIFIERS(ACTIVATION) \
  ACTIVATION(none, NoActivation)     \
  ACTIVATION(relu, Relu)             \
  ACTIVATION(leaky_relu, LeakyRelu)

#define TSUGI_SMOOTH_ACTIVATIONS(ACTIVATION) \
  ACTIVATION(silu, Silu)                     \
  ACTIVATION(hard_swish, HardSwish)          \
  ACTIVATION(gelu, Gelu)

namespace tsugi {

#define TSUGI_KIND(kind, Function) kind,
enum class ActivationKind : std::uint8_t { TSUGI_RECTIFIERS(TSUGI_KIND) TSUGI_SMOOTH_ACTIVATIONS(TSUGI_KIND) };
#undef TSUGI_KIND

struct Activation {
  ActivationKind kind = ActivationKind::none;
  float slope = 0.0f;  ///< leaky_relu only, 0 <= slope < 1
};

/// Whether backward needs the activation's input (ops then have it in `saved`), and not its output.
constexpr bool saves_input(ActivationKind kind) {
#define TSUGI_IS(smooth, Function) || kind == ActivationKind::smooth
  return false TSUGI_SMOOTH_ACTIVATIONS(TSUGI_IS);
#undef TSUGI_IS
}

// -- the functions ------------------------------------------------------------------------------------------------
// y = f.forward(x), and d_x = f.backward(saved, d_y), where saved is y, or x where kSavesInput. A NaN passes through
// forward. Real: float or double; for rectifiers also a vector of float. kMasks: backward reads `saved` at all.

struct NoActivation {
  static constexpr bool kMasks = false, kSavesInput = false;
  TSUGI_HOST_DEVICE explicit NoActivation(const Activation&) {}
  template <typename Real>
  TSUGI_HOST_DEVICE Real forward(Real x) const {
    return x;
  }
  template <typename Real>
  TSUGI_HOST_DEVICE Real backward(Real, Real d_y) const {
    return d_y;
  }
};

struct Relu {
  static constexpr bool kMasks = true, kSavesInput = false;
  TSUGI_HOST_DEVICE explicit Relu(const Activation&) {}
  template <typename Real>
  TSUGI_HOST_DEVICE Real forward(Real x) const {
    return x < Real{} ? Real{} : x;
  }
  template <typename Real>
  TSUGI_HOST_DEVICE Real backward(Real y, Real d_y) const {
    return y > Real{} ? d_y : Real{};
  }
};

template <typename Real>
TSUGI_HOST_DEVICE inline Real times(float factor, Real x) {
  return factor * x;
}
TSUGI_HOST_DEVICE inline double times(float factor, double x) { return static_cast<double>(factor) * x; }

/// y = x for x > 0, slope * x otherwise: the signs of x and y are the same, because slope >= 0.
struct LeakyRelu {
  static constexpr bool kMasks = true, kSavesInput = false;
  TSUGI_HOST_DEVICE explicit LeakyRelu(const Activation& activation) : slope(activation.slope) {}
  template <typename Real>
  TSUGI_HOST_DEVICE Real forward(Real x) const {
    return x < Real{} ? times(slope, x) : x;
  }
  template <typename Real>
  TSUGI_HOST_DEVICE Real backward(Real y, Real d_y) const {
    return y > Real{} ? d_y : times(slope, d_y);
  }
  float slope;
};

TSUGI_HOST_DEVICE inline double exponential(double x) { return exp(x); }

/// e^x for -87 <= x <= 88, and the nearest of these beyond; 2 units in the last place.
TSUGI_HOST_DEVICE inline float exponential(float x) {
#if defined(__CUDA_ARCH__)
  return expf(x);
#else
  // 2^n e^r with |r| <= log(2) / 2 and Taylor's series; no branch and no call, so that loops around it vectorise.
  constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: a sum with it is rounded to a whole number, in its lowest bits
  const float low = x < -87.0f ? -87.0f : x, bounded = low > 88.0f ? 88.0f : low;
  const float shifted = bounded * 1.44269504f + kRound, n = shifted - kRound;
  const float r = (bounded - n * 0.693359375f) + n * 2.12194440e-4f;
  float sum = 1.98412698e-4f;
  sum = sum * r + 1.38888889e-3f;
  sum = sum * r + 8.33333333e-3f;
  sum = sum * r + 4.16666667e-2f;
  sum = sum * r + 0.166666667f;
  sum = sum * r + 0.5f;
  sum = sum * r + 1.0f;
  sum = sum * r + 1.0f;
  std::uint32_t bits;
  std::memcpy(&bits, &shifted, sizeof bits);
  bits = (bits + 127u) << 23;
  float power;
  std::memcpy(&power, &bits, sizeof power);
  return sum * power;
#endif
}

/// y = x sigmoid(x). Source: Elfwing, Uchibe, Doya, https://arxiv.org/abs/1702.03118 (also "swish").
struct Silu {
  static constexpr bool kMasks = true, kSavesInput = true;
  TSUGI_HOST_DEVICE explicit Silu(const Activation&) {}
  template <typename Real>
  TSUGI_HOST_DEVICE Real forward(Real x) const {
    return x / (Real(1) + exponential(-x));
  }
  template <typename Real>
  TSUGI_HOST_DEVICE Real backward(Real x, Real d_y) const {
    const Real power = exponential(-x), sigmoid = Real(1) / (Real(1) + power);
    return d_y * (sigmoid * (Real(1) + x * (power * sigmoid)));  // 1 - sigmoid = power * sigmoid, without cancelling
  }
};

/// y = x min(max(x + 3, 0), 6) / 6. Source: Howard et al., "Searching for MobileNetV3",
/// https://arxiv.org/abs/1905.02244.
struct HardSwish {
  static constexpr bool kMasks = true, kSavesInput = true;
  TSUGI_HOST_DEVICE explicit HardSwish(const Activation&) {}
  template <typename Real>
  TSUGI_HOST_DEVICE Real forward(Real x) const {
    const Real gate = x + Real(3);
    return x * ((gate < Real(0) ? Real(0) : gate > Real(6) ? Real(6) : gate) * Real(1.0 / 6.0));
  }
  template <typename Real>
  TSUGI_HOST_DEVICE Real backward(Real x, Real d_y) const {
    const Real derivative = x * Real(1.0 / 3.0) + Real(0.5);
    return d_y * (x <= Real(-3) ? Real(0) : x >= Real(3) ? Real(1) : derivative);
  }
};

/// The normal distribution at x: its integral up to there, and its density.
template <typename Real>
struct Gauss {
  Real integral, density;
};

TSUGI_HOST_DEVICE inline Gauss<double> gauss(double x) {
  return {0.5 * erfc(-0.70710678118654752440 * x), 0.39894228040143267794 * exp(-0.5 * x * x)};
}

/// The tail beyond a = |x| is e^(-a^2/2) t polynomial(t) with t = 1 / (1 + 0.21 a): interpolated at Chebyshev's points
/// up to a = 13, within 3e-8 of the tail itself.
TSUGI_HOST_DEVICE inline Gauss<float> gauss(float x) {
  const float bell = exponential(-0.5f * x * x), t = 1.0f / (1.0f + 0.21f * (x < 0.0f ? -x : x));
  float sum = -0.0730860406f;
  sum = sum * t + 0.290758105f;
  sum = sum * t - 0.345623322f;
  sum = sum * t + 0.367769196f;
  sum = sum * t - 0.10728804f;
  sum = sum * t + 0.13092338f;
  sum = sum * t + 0.0675291552f;
  sum = sum * t + 0.0853222628f;
  sum = sum * t + 0.0836951957f;
  const float tail = bell * (t * sum);
  return {x < 0.0f ? tail : 1.0f - tail, 0.398942280f * bell};
}

/// y = x Phi(x) with the normal distribution's integral, the exact form that PyTorch takes by default and not that of
/// tanh. Source: Hendrycks, Gimpel, https://arxiv.org/abs/1606.08415.
struct Gelu {
  static constexpr bool kMasks = true, kSavesInput = true;
  TSUGI_HOST_DEVICE explicit Gelu(const Activation&) {}
  template <typename Real>
  TSUGI_HOST_DEVICE Real forward(Real x) const {
    return x * gauss(x).integral;
  }
  template <typename Real>
  TSUGI_HOST_DEVICE Real backward(Real x, Real d_y) const {
    const Gauss<Real> at = gauss(x);
    return d_y * (at.integral + x * at.density);
  }
};

// -- which function an op's activation is ---------------------------------------------------------------------------

/// Calls f(function) with the function of `activation`. Host only.
#define TSUGI_CASE(kind, Function) \
  case ActivationKind::kind:       \
    return f(Function(activation));
template <typename F>
void with_activation(const Activation& activation, F&& f) {
  switch (activation.kind) { TSUGI_RECTIFIERS(TSUGI_CASE) TSUGI_SMOOTH_ACTIVATIONS(TSUGI_CASE) }
}

/// The same for ops that take rectifiers only.
template <typename F>
void with_rectifier(const Activation& activation, F&& f) {
  switch (activation.kind) {
    TSUGI_RECTIFIERS(TSUGI_CASE)
    default:
      return;
  }
}
#undef TSUGI_CASE

/// Every rectifier as one function without a branch, as GPU kernels take it: none has the slope 1, relu 0.
struct Rectifier {
  static constexpr bool kSavesInput = false;
  Rectifier() = default;
  explicit Rectifier(const Activation& activation)
      : slope(activation.kind == ActivationKind::none   ? 1.0f
              : activation.kind == ActivationKind::relu ? 0.0f
                                                        : activation.slope) {}
  TSUGI_HOST_DEVICE float forward(float x) const { return x > 0.0f || x != x ? x : slope * x; }
  TSUGI_HOST_DEVICE float backward(float y, float d_y) const { return y > 0.0f ? d_y : slope * d_y; }
  float slope;
};

/// Every other activation as one function, for kernels that wait for memory: all threads take the same branch.
struct SmoothActivation {
  static constexpr bool kSavesInput = true;
  SmoothActivation() = default;
  explicit SmoothActivation(const Activation& a) : activation(a) {}
  TSUGI_HOST_DEVICE float forward(float x) const {
#define TSUGI_FORWARD(smooth, Function) \
  if (activation.kind == ActivationKind::smooth) return Function(activation).forward(x);
    TSUGI_SMOOTH_ACTIVATIONS(TSUGI_FORWARD)
#undef TSUGI_FORWARD
    return x;
  }
  TSUGI_HOST_DEVICE float backward(float x, float d_y) const {
#define TSUGI_BACKWARD(smooth, Function) \
  if (activation.kind == ActivationKind::smooth) return Function(activation).backward(x, d_y);
    TSUGI_SMOOTH_ACTIVATIONS(TSUGI_BACKWARD)
#undef TSUGI_BACKWARD
    return d_y;
  }
  Activation activation;
};

}  // namespace tsugi
