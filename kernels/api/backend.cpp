// What backends have in common that compute before their calls return.
#include "kernels/api/backend.h"

#include <chrono>

namespace tsugi {
namespace {

/// The host's clock: right where a call returns when its work is done.
class HostTimeMark : public TimeMark {
 public:
  void record() override { time_ = std::chrono::steady_clock::now(); }
  double seconds_since(const TimeMark& earlier) const override {
    return std::chrono::duration<double>(time_ - static_cast<const HostTimeMark&>(earlier).time_).count();
  }

 private:
  std::chrono::steady_clock::time_point time_;
};

}  // namespace

std::unique_ptr<TimeMark> Backend::make_time_mark() { return std::unique_ptr<TimeMark>(new HostTimeMark()); }

double Backend::fma_burst(DType dtype, int, float*) {
  throw Error("device " + name() + ": its peak of multiply-adds in " + name_of(dtype) + " cannot be measured");
}

void Backend::copy_burst(const void*, std::size_t, void*) {
  throw Error("device " + name() + ": its bandwidth cannot be measured");
}

}  // namespace tsugi
