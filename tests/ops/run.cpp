// Guarded, poisoned device memory for one call of one op.
#include "tests/ops/run.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "kernels/cpu/reference_scalar.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

namespace tsugi {
namespace test {
namespace {

constexpr std::size_t kGuard = 256;  // bytes on either side; a multiple of the widest vector, so data stays aligned
constexpr unsigned char kGuardByte = 0xA5;
constexpr unsigned char kPoison = 0xFF;  // all bits set: NaN in every floating type

/// Around inputs NaN: a kernel that reads beyond one is seen even where it multiplies what it read by zero. Not around
/// outputs, where a kernel that adds to a NaN beyond the end would leave the guard as it was.
unsigned char guard_byte(bool input) { return input ? kPoison : kGuardByte; }

#if defined(__SANITIZE_ADDRESS__)
/// The emulator's device memory is host memory, although it asks for copies.
bool on_host(const Backend& backend) { return backend.shares_host_memory() || backend.name() == "simt"; }
#endif

/// Makes AddressSanitizer stop a kernel that even reads the guard zones of host memory.
void forbid(const Backend& backend, unsigned char* base, std::size_t before, std::size_t bytes) {
#if defined(__SANITIZE_ADDRESS__)
  if (!on_host(backend)) return;
  __asan_poison_memory_region(base, before);
  __asan_poison_memory_region(base + before + bytes, kGuard);
#else
  static_cast<void>(backend), static_cast<void>(base), static_cast<void>(before), static_cast<void>(bytes);
#endif
}

void allow(const Backend& backend, unsigned char* base, std::size_t before, std::size_t bytes) {
#if defined(__SANITIZE_ADDRESS__)
  if (on_host(backend)) __asan_unpoison_memory_region(base, before + bytes + kGuard);
#else
  static_cast<void>(backend), static_cast<void>(base), static_cast<void>(before), static_cast<void>(bytes);
#endif
}

std::vector<unsigned char> encoded(const Values& values, DType dtype) {
  std::vector<unsigned char> bytes(values.size() * size_of(dtype));
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (dtype == DType::bf16) {
      const reference::Bfloat16 element(values[i]);
      std::memcpy(bytes.data() + i * sizeof element, &element, sizeof element);
    } else if (dtype == DType::f16) {
      const reference::Float16 element(values[i]);
      std::memcpy(bytes.data() + i * sizeof element, &element, sizeof element);
    } else {
      std::memcpy(bytes.data() + i * sizeof(float), &values[i], sizeof(float));
    }
  }
  return bytes;
}

}  // namespace

Run::Run(Backend& backend, DType dtype) : backend_(backend), dtype_(dtype) {}

Run::~Run() {
  for (const Block& block : blocks_) {
    allow(backend_, block.base, block.before, block.bytes);
    backend_.release(block.base);
  }
}

const void* Run::in(const Values& values, DType dtype) {
  if (values.empty()) return nullptr;
  const std::vector<unsigned char> bytes = encoded(values, dtype);
  return add(bytes.data(), bytes.size(), Role::input, shift_ * size_of(dtype));
}

void* Run::updated(const Values& old, DType dtype) {
  if (old.empty()) return nullptr;
  const std::vector<unsigned char> bytes = encoded(old, dtype);
  return add(bytes.data(), bytes.size(), Role::output, shift_ * size_of(dtype));
}

void* Run::poisoned(std::size_t count, std::size_t element_bytes) {
  const std::vector<unsigned char> poison(count * element_bytes, kPoison);
  return add(poison.data(), poison.size(), Role::output, shift_ * element_bytes);
}

void* Run::add(const void* data, std::size_t bytes, Role role, std::size_t shift) {
  const std::size_t before = kGuard + shift;
  std::vector<unsigned char> image(before + bytes + kGuard, guard_byte(role == Role::input));
  if (bytes != 0) std::memcpy(image.data() + before, data, bytes);
  Block block{static_cast<unsigned char*>(backend_.allocate(image.size())), before, bytes, role, {}};
  backend_.copy_to_device(block.base, image.data(), image.size());
  backend_.synchronize();
  forbid(backend_, block.base, before, bytes);
  block.uploaded = std::move(image);
  blocks_.push_back(std::move(block));
  return blocks_.back().base + before;
}

void Run::finish() {
  backend_.synchronize();
  for (const Block& block : blocks_) {
    allow(backend_, block.base, block.before, block.bytes);
    std::vector<unsigned char> image(block.before + block.bytes + kGuard);
    backend_.copy_to_host(image.data(), block.base, image.size());
    backend_.synchronize();
    const unsigned char guard = guard_byte(block.role == Role::input);
    const auto is_guard = [guard](unsigned char byte) { return byte == guard; };
    CHECK_MESSAGE(std::all_of(image.begin(), image.begin() + static_cast<std::ptrdiff_t>(block.before), is_guard),
                  "memory before a buffer was written");
    CHECK_MESSAGE(std::all_of(image.end() - kGuard, image.end(), is_guard), "memory after a buffer was written");
    if (block.role == Role::input) CHECK_MESSAGE(image == block.uploaded, "an input was written");
  }
}

const Run::Block& Run::find(const void* pointer) const {
  for (const Block& block : blocks_) {
    if (block.base + block.before == pointer) return block;
  }
  throw Error("run: no buffer at the pointer, expected one from this run");
}

std::vector<unsigned char> Run::data(const Block& block) {
  std::vector<unsigned char> bytes(block.bytes);
  backend_.copy_to_host(bytes.data(), block.base + block.before, bytes.size());
  backend_.synchronize();
  return bytes;
}

Values Run::read(const void* output, DType dtype) {
  if (output == nullptr) return {};
  const std::vector<unsigned char> bytes = data(find(output));
  Values values(bytes.size() / size_of(dtype));
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (dtype == DType::bf16) {
      reference::Bfloat16 element;
      std::memcpy(&element, bytes.data() + i * sizeof element, sizeof element);
      values[i] = static_cast<float>(element);
    } else if (dtype == DType::f16) {
      reference::Float16 element;
      std::memcpy(&element, bytes.data() + i * sizeof element, sizeof element);
      values[i] = static_cast<float>(element);
    } else {
      std::memcpy(&values[i], bytes.data() + i * sizeof(float), sizeof(float));
    }
  }
  return values;
}

}  // namespace test
}  // namespace tsugi
