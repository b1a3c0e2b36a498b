// AtomicFile: a file is written whole or not at all.
#include "engine/core/atomic_file.h"
#include "engine/core/input_file.h"
#include "engine/core/output_claim.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <csignal>

#include "engine/formats/file_kind.h"
#include "tests/formats/support.h"

using tsugi::AtomicFile;
using tsugi::OutputClaim;
using tsugi::read_file;
using tsugi::write_file_atomically;
using tsugi::test::contains;
using tsugi::test::error_of;
using tsugi::test::ScratchFolder;

namespace {

std::string text_of(const std::string& path) {
  const auto bytes = read_file(path);
  return {bytes.begin(), bytes.end()};
}

// While it lives, a file of this process cannot grow beyond `bytes`: what a full disk does, without filling one.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    REQUIRE(::getrlimit(RLIMIT_FSIZE, &before_) == 0);
    const rlimit now{bytes, before_.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &now) == 0);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit before_{};
  void (*handler_)(int);
};

unsigned mode_of(const std::string& path) {
  struct stat info {};
  REQUIRE(::stat(path.c_str(), &info) == 0);
  return info.st_mode & 07777;
}

// Another process: runs `work`, says by a pipe that it is done with it, and sleeps until it is killed with its owner.
class OtherProcess {
 public:
  template <class Work>
  explicit OtherProcess(const Work& work) {
    int ready[2];
    REQUIRE(::pipe(ready) == 0);
    child_ = ::fork();
    REQUIRE(child_ >= 0);
    if (child_ == 0) {
      work([&] {
        (void)!::write(ready[1], "!", 1);
        for (;;) ::pause();
      });
      ::_exit(1);
    }
    ::close(ready[1]);
    char byte = 0;
    REQUIRE(::read(ready[0], &byte, 1) == 1);
    ::close(ready[0]);
  }
  ~OtherProcess() { kill(); }
  OtherProcess(const OtherProcess&) = delete;
  OtherProcess& operator=(const OtherProcess&) = delete;

  pid_t id() const { return child_; }
  void kill() {
    if (child_ <= 0) return;
    ::kill(child_, SIGKILL);
    ::waitpid(child_, nullptr, 0);
    child_ = -1;
  }

 private:
  pid_t child_ = -1;
};

}  // namespace

TEST_CASE("a written file holds its bytes and leaves no temporary behind") {
  const ScratchFolder folder;
  const std::string path = folder / "file";
  write_file_atomically(path, "first");
  CHECK(text_of(path) == "first");
  write_file_atomically(path, std::string());
  CHECK(text_of(path).empty());
  CHECK(folder.files() == 1);
  struct stat info {};
  REQUIRE(::stat(path.c_str(), &info) == 0);
  const mode_t mask = ::umask(0);
  ::umask(mask);
  CHECK((info.st_mode & 0777) == (0666 & ~mask));
}

TEST_CASE("nothing is visible before commit, and nothing stays without it") {
  const ScratchFolder folder;
  const std::string path = folder / "file";
  {
    AtomicFile file(path);
    file.write("abc", 3);
    CHECK(file.size() == 3);
    CHECK_FALSE(std::filesystem::exists(path));
    CHECK(folder.files() == 1);
  }
  CHECK(folder.files() == 0);
}

TEST_CASE("a full disk leaves the old file and no temporary, and the error names the path and the reason") {
  const ScratchFolder folder;
  const std::string path = folder / "file";
  write_file_atomically(path, "old");
  std::string message;
  {
    const FileSizeLimit limit(1000);
    const std::string large(100000, 'x');
    message = error_of([&] { write_file_atomically(path, large); });
  }
  CHECK(contains(message, path));
  CHECK(contains(message, "File too large"));
  CHECK(text_of(path) == "old");
  CHECK(folder.files() == 1);
}

TEST_CASE("a folder that is missing or cannot be written to is an error that names the path and the reason") {
  CHECK(contains(error_of([] { write_file_atomically("/no/such/folder/file", "x"); }),
                 "/no/such/folder/file: cannot be written: No such file or directory"));
  const ScratchFolder folder;
  const std::string locked = folder / "locked";
  std::filesystem::create_directory(locked);
  std::filesystem::permissions(locked, std::filesystem::perms::owner_read | std::filesystem::perms::owner_exec);
  if (::geteuid() != 0)  // root may write anywhere
    CHECK(contains(error_of([&] { write_file_atomically(locked + "/file", "x"); }), "Permission denied"));
  // The kernel's own read-only trees refuse even root.
  CHECK(contains(error_of([] { write_file_atomically("/proc/tsugi-test", "x"); }), "/proc/tsugi-test: cannot be"));
}

TEST_CASE("a device, a pipe or a folder is never replaced, and never read") {
  const ScratchFolder folder;
  const std::string pipe = folder / "pipe";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  for (const std::string& path : {pipe, folder / ".", std::string("/dev/full"), std::string("/dev/zero")}) {
    CAPTURE(path);
    CHECK(contains(error_of([&] { write_file_atomically(path, "x"); }), "a regular file is expected"));
    CHECK(contains(error_of([&] { read_file(path); }), "a regular file is expected"));
  }
}

TEST_CASE("a symbolic link stays, and the file behind it is replaced") {
  const ScratchFolder folder;
  write_file_atomically(folder / "file", "old");
  std::filesystem::create_symlink(folder / "file", folder / "link");
  write_file_atomically(folder / "link", "new");
  CHECK(std::filesystem::is_symlink(folder / "link"));
  CHECK(text_of(folder / "file") == "new");
}

TEST_CASE("a process killed while it writes leaves the old file whole") {
  const ScratchFolder folder;
  const std::string path = folder / "file";
  write_file_atomically(path, "old");
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    AtomicFile file(path);
    file.write("new", 3);
    ::kill(::getpid(), SIGKILL);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WIFSIGNALED(status));
  CHECK(text_of(path) == "old");
}

TEST_CASE("reading a missing file, or one above the limit, is an error with both values") {
  const ScratchFolder folder;
  CHECK(error_of([&] { read_file(folder / "none"); }) ==
        (folder / "none") + ": cannot be opened: No such file or directory");
  write_file_atomically(folder / "file", "12345");
  CHECK(error_of([&] {
          read_file(folder / "file", {4, {}, ""});
        }) == (folder / "file") + ": has 5 bytes, at most 4 expected");
  CHECK(read_file(folder / "file", {5, {}, ""}).size() == 5);
}

TEST_CASE("files are told apart by content, whatever they are called") {
  using tsugi::detect_file_kind;
  using tsugi::FileKind;
  const ScratchFolder folder;
  const std::string path = folder / "model.tar";
  const std::vector<std::uint8_t> none = tsugi::encode_safetensors({});
  write_file_atomically(path, none.data(), none.size());
  CHECK(detect_file_kind(path) == FileKind::safetensors);
  write_file_atomically(path, std::string(257, 'a') + "ustar" + std::string(300, 'a'));
  CHECK(detect_file_kind(path) == FileKind::tar);
  write_file_atomically(path, "\x1f\x8b\x08 gzip");
  CHECK(detect_file_kind(path) == FileKind::compressed);
  write_file_atomically(path, "plain text, nothing else");
  CHECK(detect_file_kind(path) == FileKind::unknown);
  write_file_atomically(path, std::string());
  CHECK(detect_file_kind(path) == FileKind::unknown);
  CHECK(contains(error_of([&] { detect_file_kind(folder / "none"); }), "cannot be opened"));
}

TEST_CASE("a personal file is its owner's alone from its creation on, whatever the umask") {
  const ScratchFolder folder;
  const mode_t before = ::umask(0);
  {
    AtomicFile file(folder / "personal", {"checkpoint", nullptr, true});
    for (const auto& entry : std::filesystem::directory_iterator(folder / "."))
      CHECK(mode_of(entry.path().string()) == 0600);
    file.write("x", 1);
    file.commit();
  }
  write_file_atomically(folder / "plain", "x");
  ::umask(before);
  CHECK(mode_of(folder / "personal") == 0600);
  CHECK(mode_of(folder / "plain") == 0666);
}

TEST_CASE("a file that is replaced passes its mode on, and so does its temporary have it") {
  const ScratchFolder folder;
  const std::string path = folder / "file";
  write_file_atomically(path, "old");
  const mode_t before = ::umask(077);  // which must not take from what the user gave
  for (const bool personal : {false, true})
    for (const unsigned mode : {0600u, 0640u, 0664u, 0400u}) {
      CAPTURE(mode);
      REQUIRE(::chmod(path.c_str(), mode) == 0);
      AtomicFile file(path, {"file", nullptr, personal});
      for (const auto& entry : std::filesystem::directory_iterator(folder / "."))
        CHECK(mode_of(entry.path().string()) == mode);
      file.write("new", 3);
      file.commit();
      CHECK(mode_of(path) == mode);
    }
  ::umask(before);
}

TEST_CASE("a file's group goes with it, and where that cannot be the new group gets nothing") {
  if (::geteuid() != 0) return;  // only root has a group to give
  const ScratchFolder folder;
  const std::string path = folder / "file";
  write_file_atomically(path, "old");
  REQUIRE(::chmod(path.c_str(), 0640) == 0);
  REQUIRE(::chown(path.c_str(), 12345, 54321) == 0);
  write_file_atomically(path, "new");
  struct stat info {};
  REQUIRE(::stat(path.c_str(), &info) == 0);
  CHECK(info.st_uid == 12345);
  CHECK(info.st_gid == 54321);
  CHECK(mode_of(path) == 0640);
}

TEST_CASE("temporaries of processes that were killed go when their file is claimed, those of living ones stay") {
  const ScratchFolder folder;
  const std::string path = folder / "file";
  OtherProcess writer([&](const auto& ready) {
    AtomicFile file(path);
    file.write("half", 4);
    ready();
  });
  write_file_atomically(path + "2.tmp-1-1", "another file's");
  write_file_atomically(path + ".tmp-1-1.jpg", "no temporary");
  const AtomicFile own(path);
  CHECK(folder.files() == 4);
  { const OutputClaim claim(path); }
  CHECK(folder.files() == 4);  // the other process lives, and so does this one
  writer.kill();
  CHECK(folder.files() == 4);
  { const OutputClaim claim(path); }
  CHECK(folder.files() == 3);
}

TEST_CASE("two runs on one output: the second is told which process has it, until that one ends, however it ends") {
  const ScratchFolder folder;
  const std::string path = folder / "file";
  std::filesystem::create_symlink(path, folder / "link");
  OtherProcess other([&](const auto& ready) {
    const OutputClaim claim(path);
    write_file_atomically(path, "theirs");  // the claim outlives the file's replacement
    ready();
  });
  CHECK(error_of([&] { const OutputClaim claim(path); }) ==
        path + ": is being written by another run, process " + std::to_string(other.id()) + ", one at a time expected");
  CHECK(contains(error_of([&] { const OutputClaim claim(folder / "./link"); }), "is being written by another run"));
  CHECK(text_of(path) == "theirs");
  { const OutputClaim beside(folder / "file2"); }
  other.kill();
  const OutputClaim claim(path);
  CHECK(folder.files() == 2);  // the file and the link to it: no lock is left
  CHECK(contains(error_of([&] { const OutputClaim again(path); }), "process " + std::to_string(::getpid())));
}
