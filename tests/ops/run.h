// One call of one op on one backend, with everything around it that a wrong kernel would disturb: outputs and
// workspaces full of NaN, guard zones around every buffer, and inputs that must stay as they were.
#pragma once

#include <cstring>
#include <memory>
#include <vector>

#include "kernels/api/backend.h"
#include "tests/ops/values.h"

namespace tsugi {
namespace test {

/// Usage: fill an op's pointers from in(), out() and workspace(); call the op; finish(); read().
class Run {
 public:
  /// `dtype` (f32, bf16 or f16) is the type of tensors from in() and out().
  Run(Backend& backend, DType dtype);
  ~Run();
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  Backend& backend() { return backend_; }
  DType dtype() const { return dtype_; }

  /// Inputs and outputs from now on lie `elements` of their own past a 64-byte boundary, as parameters in a flat buffer
  /// do.
  void shift(std::size_t elements) { shift_ = elements; }

  /// An input of the run's type, or of float32; null when `values` is empty.
  const void* in(const Values& values) { return in(values, dtype_); }
  const float* in_f32(const Values& values) { return static_cast<const float*>(in(values, DType::f32)); }
  /// An input of plain elements: labels, sample numbers, masks, a StepState.
  template <typename T>
  const T* in_raw(const std::vector<T>& values) {
    return values.empty() ? nullptr : static_cast<const T*>(add(values.data(), values.size() * sizeof(T), Role::input));
  }

  /// An output of `count` elements, full of NaN; the pointer for bytes or integers finds them full of 0xFF.
  void* out(std::size_t count) { return poisoned(count, size_of(dtype_)); }
  float* out_f32(std::size_t count) { return static_cast<float*>(poisoned(count, sizeof(float))); }
  template <typename T>
  T* out_raw(std::size_t count) {
    return static_cast<T*>(poisoned(count, sizeof(T)));
  }
  /// An output that starts as `old`: for accumulating, for in-place ops and for state.
  void* updated(const Values& old) { return updated(old, dtype_); }
  float* updated_f32(const Values& old) { return static_cast<float*>(updated(old, DType::f32)); }
  template <typename T>
  T* updated_raw(const std::vector<T>& old) {
    return static_cast<T*>(add(old.data(), old.size() * sizeof(T), Role::output));
  }
  /// NaN-poisoned when overwriting, `old` when accumulating.
  void* out(Write write, const Values& old) { return write == Write::overwrite ? out(old.size()) : updated(old); }
  float* out_f32(Write write, const Values& old) {
    return write == Write::overwrite ? out_f32(old.size()) : updated_f32(old);
  }
  /// Scratch memory full of NaN; null for 0 bytes.
  void* workspace(std::size_t bytes) { return bytes == 0 ? nullptr : poisoned(bytes, 1); }

  /// Waits for the op and checks every guard zone and every input.
  void finish();

  /// What an output holds after finish(). Null gives an empty vector.
  Values read(const void* output) { return read(output, dtype_); }
  Values read_f32(const float* output) { return read(output, DType::f32); }
  template <typename T>
  std::vector<T> read_raw(const T* output) {
    if (output == nullptr) return {};
    const std::vector<unsigned char> bytes = data(find(output));
    std::vector<T> values(bytes.size() / sizeof(T));
    std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
  }

 private:
  enum class Role { input, output };
  struct Block {
    unsigned char* base;  ///< guard zone, data, guard zone
    std::size_t before;   ///< bytes of the first guard zone
    std::size_t bytes;    ///< of the data
    Role role;
    std::vector<unsigned char> uploaded;
  };

  const void* in(const Values& values, DType dtype);
  void* updated(const Values& old, DType dtype);
  void* poisoned(std::size_t count, std::size_t element_bytes);
  void* add(const void* data, std::size_t bytes, Role role, std::size_t shift = 0);
  const Block& find(const void* pointer) const;
  std::vector<unsigned char> data(const Block& block);
  Values read(const void* output, DType dtype);

  Backend& backend_;
  DType dtype_;
  std::size_t shift_ = 0;
  std::vector<Block> blocks_;
};

}  // namespace test
}  // namespace tsugi
