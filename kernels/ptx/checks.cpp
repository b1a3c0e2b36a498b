#include "kernels/ptx/checks.h"

namespace tsugi {
namespace ptx {
namespace {

const char* const kUnwrittenRead = "reads memory that nothing wrote";

}  // namespace

void Checks::begin_launch() { ++launch_; }

void Checks::begin_block(std::uint32_t block, std::size_t shared_bytes) {
  block_ = block;
  phase_ = 1;
  shared_.assign(races_ ? shared_bytes : 0, Byte{});
  shared_written_.assign(shared_bytes, false);
}

std::string Checks::shared(const Access& access) {
  return touch_all(access, races_ ? shared_.data() : nullptr, &shared_written_);
}

std::string Checks::global(Allocation& allocation, const Access& access) {
  std::vector<Byte>* bytes = nullptr;
  if (races_) {
    bytes = &global_[allocation.begin];
    bytes->resize(allocation.bytes);
  }
  return touch_all(access, races_ ? bytes->data() : nullptr,
                   allocation.written.empty() ? nullptr : &allocation.written);
}

std::string Checks::touch_all(const Access& access, Byte* bytes, std::vector<bool>* written) {
  bool any_written = written == nullptr || access.write;
  for (std::size_t i = access.offset; i < access.offset + access.bytes; ++i) {
    if (written != nullptr && access.write) (*written)[i] = true;
    if (written != nullptr && (*written)[i]) any_written = true;
    std::string wrong = bytes != nullptr ? touch(bytes[i], access) : std::string();
    if (!wrong.empty()) return wrong;
  }
  return unwritten_ && !any_written ? kUnwrittenRead : "";
}

bool Checks::concurrent(const Stamp& earlier, const Stamp& now) const {
  if (earlier.launch != now.launch) return false;  // or nobody was there
  if (earlier.block != now.block) return true;
  if (earlier.phase != now.phase || earlier.thread == now.thread) return false;
  return earlier.warp != now.warp || earlier.meetings == now.meetings;
}

std::string Checks::touch(Byte& byte, const Access& access) {
  const Stamp now{launch_, block_, phase_, access.thread, access.warp, access.meetings};
  const auto told = [&](const char* what, const Stamp& earlier) {
    return std::string(what) + " block " + std::to_string(earlier.block) + " thread " + std::to_string(earlier.thread) +
           " with no barrier between";
  };
  if (concurrent(byte.writer, now)) {
    return told(access.write ? "a race: writes what was written by" : "a race: reads what was written by", byte.writer);
  }
  if (!access.write) {
    if (concurrent(byte.reader, now)) byte.other_reader = byte.reader;
    byte.reader = now;
    return {};
  }
  for (const Stamp* reader : {&byte.reader, &byte.other_reader}) {
    if (concurrent(*reader, now)) return told("a race: writes what was read by", *reader);
  }
  byte.writer = now;
  return {};
}

}  // namespace ptx
}  // namespace tsugi
