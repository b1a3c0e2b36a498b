// FileLog: which files were opened, and the digests of what passed through them.
#include "engine/core/file_log.h"

#include <sys/stat.h>

#include <thread>

#include "engine/core/atomic_file.h"
#include "engine/core/input_file.h"
#include "engine/core/sha256.h"
#include "tests/formats/support.h"

using namespace tsugi;
using tsugi::test::contains;
using tsugi::test::error_of;
using tsugi::test::ScratchFolder;

TEST_CASE("the log holds what passed through a file that was read") {
  const ScratchFolder folder;
  write_file_atomically(folder / "a", "some bytes");
  FileLog log;
  read_file(folder / "a", {100, {"photo", &log}, ""});
  const std::vector<FileUse> uses = log.uses();
  REQUIRE(uses.size() == 1);
  CHECK(uses[0].path == folder / "a");
  CHECK(uses[0].role == "photo");
  CHECK(uses[0].access == FileAccess::read);
  CHECK(uses[0].complete);
  CHECK(!uses[0].personal);
  CHECK(uses[0].bytes == 10);
  CHECK(uses[0].sha256 == sha256_hex(std::string("some bytes")));
  CHECK(uses[0].times == 1);
}

TEST_CASE("the digest is of the bytes that passed, whatever the file holds later") {
  const ScratchFolder folder;
  write_file_atomically(folder / "a", "before");
  FileLog log;
  InputFile file(folder / "a", {"photo", &log});
  char bytes[16];
  CHECK(file.read(bytes, 3) == 3);
  CHECK(file.peek(0, bytes, 6));  // looking ahead is not reading
  file.complete();
  write_file_atomically(folder / "a", "after");
  CHECK(log.uses()[0].bytes == 3);
  CHECK(log.uses()[0].sha256 == sha256_hex(std::string("bef")));
}

TEST_CASE("reads of the same bytes are one use, reads of others are another") {
  const ScratchFolder folder;
  FileLog log;
  const ReadOptions options{100, {"photo", &log}, ""};
  for (const char* content : {"one", "one", "two"}) {
    write_file_atomically(folder / "a", content);
    read_file(folder / "a", options);
  }
  const std::vector<FileUse> uses = log.uses();
  REQUIRE(uses.size() == 2);
  CHECK(uses[0].times == 2);
  CHECK(uses[0].sha256 == sha256_hex(std::string("one")));
  CHECK(uses[1].times == 1);
  CHECK(uses[1].sha256 == sha256_hex(std::string("two")));
}

TEST_CASE("a written file is one use under its own name, with the digest of its last bytes") {
  const ScratchFolder folder;
  FileLog log;
  write_file_atomically(folder / "out", std::string("first"), {"metrics", &log});
  write_file_atomically(folder / "out", std::string("second"), {"metrics", &log});
  { AtomicFile abandoned(folder / "out", {"metrics", &log}); }
  const std::vector<FileUse> uses = log.uses();
  REQUIRE(uses.size() == 1);
  CHECK(uses[0].access == FileAccess::write);
  CHECK(uses[0].path == folder / "out");
  CHECK(uses[0].temporary == (folder / "out") + ".tmp-" + std::to_string(::getpid()) + "-*");
  CHECK(uses[0].times == 3);
  CHECK(uses[0].complete);
  CHECK(uses[0].bytes == 6);
  CHECK(uses[0].sha256 == sha256_hex(std::string("second")));
}

TEST_CASE("what was opened and not read or written to its end stays in the log as incomplete") {
  const ScratchFolder folder;
  write_file_atomically(folder / "large", std::string(101, 'x'));
  FileLog log;
  CHECK(contains(error_of([&] {
                   read_file(folder / "large", {100, {"photo", &log}, "Ann/1.jpg"});
                 }),
                 "Ann/1.jpg: has 101 bytes, at most 100"));
  {
    AtomicFile file(folder / "out", {"checkpoint", &log});
    file.write("abc", 3);
  }
  const std::vector<FileUse> uses = log.uses();
  REQUIRE(uses.size() == 2);
  for (const FileUse& use : uses) {
    CHECK(!use.complete);
    CHECK(use.bytes == 0);
    CHECK(use.sha256.empty());
  }
}

TEST_CASE("a file that cannot be opened was not opened") {
  const ScratchFolder folder;
  FileLog log;
  CHECK(contains(error_of([&] { read_file(folder / "none", {100, {"photo", &log}, ""}); }), "cannot be opened"));
  CHECK(contains(error_of([&] { AtomicFile(folder / "none/out", {"photo", &log}); }), "cannot be written"));
  CHECK(log.uses().empty());
}

TEST_CASE("pipes, folders and devices are refused at once, and stay in the log") {
  const ScratchFolder folder;
  REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
  FileLog log;
  for (const std::string& path : {folder / "pipe", folder / ".", std::string("/dev/null")})
    CHECK(contains(error_of([&] {
                     read_file(path, {100, {"photo", &log}, ""});
                   }),
                   path + ": is a folder, a pipe or a device, a regular file"));
  CHECK(log.uses().size() == 3);
}

TEST_CASE("everything at or below a personal path is personal, and nothing beside it") {
  const ScratchFolder folder;
  std::filesystem::create_directories(folder / "tony/more");
  std::filesystem::create_directories(folder / "tony2");
  FileLog log;
  for (const char* name : {"tony/1.jpg", "tony/more/2.jpg", "tony2/3.jpg", "tony.jpg", "device"}) {
    write_file_atomically(folder / name, "x");
    read_file(folder / name, {100, {"photo", &log}, ""});
  }
  for (const std::string& path : {folder / "tony/", folder / "./device"}) log.personal(path);
  std::vector<bool> personal;
  for (const FileUse& use : log.uses()) personal.push_back(use.personal);
  CHECK(personal == std::vector<bool>{true, true, false, false, true});
}

TEST_CASE("the current folder can be the personal one") {
  FileLog log;
  const FileRecord one({"photo", &log}, FileAccess::read, "1.jpg"),
      other({"photo", &log}, FileAccess::read, "../2.jpg");
  log.personal(".");
  CHECK(log.uses()[0].personal);
  CHECK(!log.uses()[1].personal);
}

TEST_CASE("threads share a log") {
  const ScratchFolder folder;
  constexpr int kThreads = 4, kFiles = 50;
  write_file_atomically(folder / "same", "shared");
  FileLog log;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < kFiles; ++i) read_file(folder / "same", {100, {"photo", &log}, ""});
    });
  for (std::thread& thread : threads) thread.join();
  REQUIRE(log.uses().size() == 1);
  CHECK(log.uses()[0].times == kThreads * kFiles);
  CHECK(log.uses()[0].complete);
}

TEST_CASE("without a log nothing is recorded and everything works") {
  const ScratchFolder folder;
  write_file_atomically(folder / "a", "bytes");
  CHECK(read_file(folder / "a").size() == 5);
}
