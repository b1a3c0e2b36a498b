// What a GPU does not punish, but a result depends on: two threads that touch a byte, one of them writing, with no
// barrier between them, and reads of memory of which nothing wrote a byte. A vector that is read may end in padding:
// new memory is NaN (memory.h), so what of it is used shows in the result.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "kernels/ptx/memory.h"

namespace tsugi {
namespace ptx {

class Checks {
 public:
  Checks(bool races, bool unwritten) : races_(races), unwritten_(unwritten) {}

  /// One lane's access.
  struct Access {
    std::uint32_t thread, warp;
    std::uint32_t meetings;  ///< of its warp so far
    std::size_t offset, bytes;
    bool write;
  };

  void begin_launch();
  void begin_block(std::uint32_t block, std::size_t shared_bytes);
  void pass_barrier() { ++phase_; }
  /// What is wrong with it, or an empty text.
  std::string shared(const Access& access);
  std::string global(Allocation& allocation, const Access& access);

 private:
  /// Who touched a byte, and when.
  struct Stamp {
    std::uint32_t launch = 0, block = 0, phase = 0, thread = 0, warp = 0, meetings = 0;
  };
  struct Byte {
    Stamp writer, reader, other_reader;
  };

  /// Either may be null: is not looked at.
  std::string touch_all(const Access& access, Byte* bytes, std::vector<bool>* written);
  std::string touch(Byte& byte, const Access& access);
  bool concurrent(const Stamp& earlier, const Stamp& now) const;

  bool races_, unwritten_;
  std::uint32_t launch_ = 0, block_ = 0, phase_ = 0;
  std::vector<Byte> shared_;
  std::vector<bool> shared_written_;
  std::map<std::uint64_t, std::vector<Byte>> global_;  ///< by an allocation's begin
};

}  // namespace ptx
}  // namespace tsugi
