// Which files were opened, for what, and what went through them: the record behind `--audit`. Everything that opens a
// file takes a FileLog* that may be null (nobody asks); digests are of the bytes as they pass, not of a second reading.
// Decoding threads share one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace tsugi {

class FileLog;
class Sha256;

enum class FileAccess : std::uint8_t {
  read,
  write,
  scratch  ///< without a name: unlinked before anything is written to it
};

/// What a file is opened for, and who keeps the record.
struct FilePurpose {
  // Not left to be an aggregate: gcc 12 then warns of members that it takes for uninitialised.
  FilePurpose(std::string what = "file", FileLog* into = nullptr, bool is_personal = false)
      : role(std::move(what)), log(into), personal(is_personal) {}

  std::string role;  ///< "photo", "checkpoint", "bundle", "metrics", "model", …
  FileLog* log;
  bool personal;  ///< it holds traces of personal photos: what is written anew is for its owner's eyes alone
};

/// One file in one role, however often it was opened: reads of the same bytes are one use, and so are all writes to one
/// path.
struct FileUse {
  std::string path;  ///< as it was named; scratch: the name that it had for a moment
  std::string
      temporary;  ///< writing: the name of the temporary before it is renamed to `path`; "*" stands for a counter
  std::string role;
  FileAccess access = FileAccess::read;
  bool personal = false;
  bool complete = false;    ///< reading: to the end of what was asked for; writing: in place under `path`
  std::uint64_t bytes = 0;  ///< the next two are of the last complete time
  std::string sha256;       ///< "" for scratch files, which are written to as memory
  std::uint32_t times = 0;
};

class FileLog {
 public:
  /// From now on the file or folder at `path`, with everything below it, counts as personal.
  void personal(const std::string& path);

  /// What was opened so far, in the order of opening.
  std::vector<FileUse> uses() const;

 private:
  friend class FileRecord;
  std::size_t begin(const FileUse& use);
  void end(std::size_t place, std::uint64_t bytes, const std::string& sha256);

  mutable std::mutex mutex_;
  std::vector<FileUse> opened_;  // one entry a time
  std::vector<std::string> personal_;
};

/// One opening of one file, as it goes on. It costs nothing where the log is null.
class FileRecord {
 public:
  FileRecord(const FilePurpose& purpose, FileAccess access, const std::string& path, const std::string& temporary = "");
  ~FileRecord();
  FileRecord(const FileRecord&) = delete;
  FileRecord& operator=(const FileRecord&) = delete;

  /// `size` bytes (host) passed; of scratch files only the size counts.
  void passed(const void* bytes, std::size_t size);
  /// That was all. Without this call the use stays incomplete.
  void complete();

 private:
  FileLog* log_;
  std::size_t place_ = 0;
  std::uint64_t bytes_ = 0;
  std::unique_ptr<Sha256> digest_;
};

}  // namespace tsugi
