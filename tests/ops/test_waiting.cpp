// What the CPU backend does when its threads wait for processors: on a made-up file system.
#include <doctest/doctest.h>
#if TSUGI_HAVE_ONEDNN

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

#include "kernels/cpu/waiting.h"

namespace tsugi {
namespace test {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSettings[] = {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME"};

/// A process of one thread, whose times are what a test says.
struct MadeUp {
  MadeUp() : root(fs::temp_directory_path() / ("tsugi-waiting-" + std::to_string(std::random_device{}()))) {
    for (const char* name : kSettings) unsetenv(name);
    fs::create_directories(root / "proc/self/task/1");
    pass(0, 0);
  }
  ~MadeUp() { fs::remove_all(root); }

  /// Milliseconds on a processor, and without one. Renamed into place: a reader sees all of it.
  void pass(double running, double waiting) {
    ran += running * 1e6, waited += waiting * 1e6;
    std::ofstream(root / "next") << static_cast<long long>(ran) << " " << static_cast<long long>(waited) << " 1\n";
    fs::rename(root / "next", root / "proc/self/task/1/schedstat");
  }

  /// Whether `watch` becomes `brief` while every millisecond passes like that.
  bool becomes(const cpu::WaitWatch& watch, bool brief, double running, double waiting) {
    for (int i = 0; i < 5000 && watch.brief() != brief; ++i) {
      pass(running, waiting);
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return watch.brief() == brief;
  }

  cpu::WaitWatch::Settings settings() const {
    return {root.string(), std::chrono::milliseconds(2), std::chrono::milliseconds(20)};
  }

  fs::path root;
  double ran = 0.0, waited = 0.0;
};

long threads_here() { return std::distance(fs::directory_iterator("/proc/self/task"), fs::directory_iterator()); }

TEST_CASE("threads that wait for processors spin briefly, with a team that does nothing, until they do not wait") {
  MadeUp process;
  const cpu::WaitWatch watch(process.settings());
  CHECK(process.becomes(watch, false, 1.0, 0.0));
  const long before = threads_here();
  CHECK(process.becomes(watch, true, 1.0, 1.0));
  CHECK(threads_here() == before + 2);
  CHECK(process.becomes(watch, false, 1.0, 0.01));
  CHECK(threads_here() == before);
  CHECK(process.becomes(watch, true, 1.0, 1.0));
}

TEST_CASE("how threads wait is left alone where the user chose") {
  for (const char* name : kSettings) {
    CAPTURE(name);
    MadeUp process;
    setenv(name, "1", 1);
    const long before = threads_here();
    const cpu::WaitWatch watch(process.settings());
    for (int i = 0; i < 20; ++i) {
      process.pass(1.0, 1.0);
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    CHECK(!watch.brief());
    CHECK(threads_here() == before);
    unsetenv(name);
  }
}

}  // namespace
}  // namespace test
}  // namespace tsugi
#endif
