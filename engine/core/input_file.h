// Files being read. Every file that the library reads goes through here: never a pipe or a device, which could hang or
// never end, and always into the log where there is one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/core/file_log.h"

namespace tsugi {

/// An open regular file. Every failure throws an Error that opens with the file's name and gives the system's reason.
class InputFile {
 public:
  /// Throws when `path` cannot be opened or is not a regular file. `name` stands for the path in messages ("" = the
  /// path).
  explicit InputFile(const std::string& path, const FilePurpose& purpose = {}, const std::string& name = "");

  std::uint64_t size() const { return size_; }  ///< bytes, when it was opened

  /// The next bytes, at most `most`, to `to` (host). Returns how many; 0 at the end.
  std::size_t read(void* to, std::size_t most);

  /// All bytes from here to the end. Throws when the file has more than `limit`, before any memory is taken, or ends
  /// early.
  std::vector<std::uint8_t> read_all(std::uint64_t limit);

  /// `size` bytes from byte `offset` on (host), or false when the file has fewer. The log does not hear of it: whoever
  /// looks ahead reads the same bytes in their turn.
  bool peek(std::uint64_t offset, void* to, std::size_t size);

  /// All that was wanted was read.
  void complete() { record_.complete(); }

 private:
  struct Descriptor {
    explicit Descriptor(int opened) : value(opened) {}
    ~Descriptor();
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    const int value;
  };

  std::string name_;
  Descriptor descriptor_;
  std::uint64_t size_ = 0;
  FileRecord record_;
};

/// How read_file reads.
struct ReadOptions {
  std::uint64_t limit = std::uint64_t{1} << 36;  ///< bytes; larger files are refused
  FilePurpose purpose;
  std::string name;  ///< for messages, "" = the path
};

/// The whole of a regular file. Throws when it cannot be read, is not a regular file, or is larger than the limit.
std::vector<std::uint8_t> read_file(const std::string& path, const ReadOptions& options = {});

}  // namespace tsugi
