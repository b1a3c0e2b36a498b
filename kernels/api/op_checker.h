// The checks that validate_*.cpp are written with. Internal to kernels.
#pragma once

#include <initializer_list>
#include <string>
#include <utility>

#include "kernels/api/activation.h"
#include "kernels/api/error.h"
#include "kernels/api/types.h"

namespace tsugi {

/// Throws errors that begin with the op's name.
class OpChecker {
 public:
  explicit OpChecker(const char* op) : op_(op) {}

  void not_null(const char* what, const void* pointer) const {
    if (pointer == nullptr) fail(std::string(what) + " is null, expected device memory");
  }
  template <typename T>
  void not_null(const char* what, const T* pointer) const {
    not_null(what, static_cast<const void*>(pointer));
    optional(what, pointer);
  }
  /// Null, or aligned to its elements.
  template <typename T>
  void optional(const char* what, const T* pointer) const {
    aligned(what, pointer, alignof(T));
  }
  /// Null, or a multiple of `bytes`.
  void aligned(const char* what, const void* pointer, std::size_t bytes) const {
    const std::size_t past = reinterpret_cast<std::uintptr_t>(pointer) % bytes;
    if (past != 0)
      fail(std::string(what) + " lies " + std::to_string(past) + " bytes past a multiple of " + std::to_string(bytes) +
           ", expected one aligned to " + std::to_string(bytes) + " bytes");
  }
  /// A tensor of `dtype` that an op needs, aligned to its elements.
  void tensor(const char* what, const void* pointer, DType dtype) const {
    not_null(what, pointer);
    aligned(what, pointer, size_of(dtype));
  }
  /// A tensor of rows (activations, their gradients) of a layer with weights.
  void rows(const char* what, const void* pointer, DType dtype) const {
    not_null(what, pointer);
    aligned(what, pointer, row_alignment(dtype));
  }
  void workspace(const void* pointer) const { aligned("workspace", pointer, kWorkspaceAlignment); }
  void floating(const char* what, DType dtype) const {
    if (dtype != DType::f32 && dtype != DType::f16 && dtype != DType::bf16) {
      fail(std::string(what) + " is " + name_of(dtype) + ", expected f32, f16 or bf16");
    }
  }
  void at_least(const char* what, double value, double least) const {
    if (!(value >= least)) fail(std::string(what) + " is " + text(value) + ", expected at least " + text(least));
  }
  /// Each of them, in this order.
  void at_least(std::initializer_list<std::pair<const char*, double>> values, double least) const {
    for (const auto& value : values) at_least(value.first, value.second, least);
  }
  void probability(const char* what, float value) const {
    at_least(what, static_cast<double>(value), 0.0);
    at_least((std::string("1 - ") + what).c_str(), 1.0 - static_cast<double>(value), 0.0);
  }
  void above(const char* what, double value, double bound) const {
    if (!(value > bound)) fail(std::string(what) + " is " + text(value) + ", expected more than " + text(bound));
  }
  /// low <= value < high; a NaN fails.
  void in_range(const char* what, double value, double low, double high) const {
    if (value >= low && value < high) return;
    fail(std::string(what) + " is " + text(value) + ", expected at least " + text(low) + " and less than " +
         text(high));
  }
  void activation(const Activation& activation) const {
    if (activation.kind == ActivationKind::leaky_relu) {
      in_range("slope", static_cast<double>(activation.slope), 0.0, 1.0);
    }
  }
  /// Where the forward pass keeps the input of an activation whose backward pass needs it.
  void saved(const Activation& used, const void* pointer, std::size_t alignment) const {
    activation(used);
    aligned("saved", pointer, alignment);
    if (pointer != nullptr && !saves_input(used.kind)) fail("saved is given, but the activation's output says it all");
  }
  /// A mask that is taken from what another op made of the activation's output.
  void rectifier(const Activation& used) const {
    if (saves_input(used.kind)) fail("the activation's derivative needs its input, which this op does not have");
  }
  /// The saved tensor that an activation's backward pass reads.
  void mask(const char* what, const Activation& used, const void* pointer, std::size_t alignment) const {
    activation(used);
    if (used.kind == ActivationKind::none) return;
    not_null(what, pointer);
    aligned(what, pointer, alignment);
  }
  void distinct(const char* what, const void* one, const char* other_name, const void* other) const {
    if (one != nullptr && one == other) {
      fail(std::string(what) + " and " + other_name + " are the same memory, expected different memory");
    }
  }
  [[noreturn]] void fail(const std::string& message) const { throw Error(std::string(op_) + ": " + message); }

 private:
  static std::string text(double value) {
    if (value == static_cast<double>(static_cast<long long>(value < 1e15 && value > -1e15 ? value : 0.5))) {
      return std::to_string(static_cast<long long>(value));
    }
    return std::to_string(value);
  }

  const char* op_;
};

}  // namespace tsugi
