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

  /// Whether `condition` comes to hold while every millisecond passes like that: threads start and end in their own
  /// time.
  template <class Condition>
  bool comes(double running, double waiting, const Condition& condition) {
    for (int i = 0; i < 5000 && !condition(); ++i) {
      pass(running, waiting);
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return condition();
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
  const long before = threads_here();
  const auto brief = [&] { return watch.brief() && threads_here() == before + 2; };
  const auto as_before = [&] { return !watch.brief() && threads_here() == before; };
  CHECK(as_before());
  CHECK(process.comes(1.0, 1.0, brief));
  CHECK(process.comes(1.0, 0.01, as_before));
  CHECK(process.comes(1.0, 1.0, brief));
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
