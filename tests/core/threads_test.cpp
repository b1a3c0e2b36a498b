// The thread count out of made-up control groups, as containers and services show them.
#include "kernels/api/threads.h"

#include <doctest/doctest.h>
#include <sched.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>

#include "kernels/api/backend.h"

using namespace tsugi;
namespace fs = std::filesystem;

namespace {

/// A file system with these files, as a process sees it.
class Root {
 public:
  explicit Root(const std::map<std::string, std::string>& files) {
    std::string name = (fs::temp_directory_path() / "tsugi-threads-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path_ = name;
    for (const auto& [file, content] : files) {
      fs::create_directories((path_ / file).parent_path());
      std::ofstream(path_ / file) << content;
    }
  }
  ~Root() { fs::remove_all(path_); }
  Root(const Root&) = delete;
  Root& operator=(const Root&) = delete;

  AvailableThreads threads(int processors) const { return available_threads(processors, path_.string()); }

 private:
  fs::path path_;
};

const char* const kMountV2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
const char* const kMountV1 =
    "29 23 0:25 / /sys/fs/cgroup/memory rw shared:8 - cgroup cgroup rw,memory\n"
    "31 23 0:27 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n";

}  // namespace

TEST_CASE("without control groups or without a quota every processor counts") {
  CHECK(Root({}).threads(4).count == 4);
  CHECK(Root({}).threads(4).source == "4 processors");
  const Root root({{"proc/self/cgroup", "0::/user.slice\n"},
                   {"proc/self/mountinfo", kMountV2},
                   {"sys/fs/cgroup/user.slice/cpu.max", "max 100000\n"}});
  CHECK(root.threads(1).count == 1);
  CHECK(root.threads(1).source == "1 processor");
}

TEST_CASE("a quota of version 2 is rounded up, and names its file") {
  const Root root({{"proc/self/cgroup", "0::/\n"},
                   {"proc/self/mountinfo", kMountV2},
                   {"sys/fs/cgroup/cpu.max", "150000 100000\n"}});
  CHECK(root.threads(8).count == 2);
  CHECK(root.threads(8).source == "8 processors, quota 1.5 by /sys/fs/cgroup/cpu.max");
  CHECK(root.threads(1).count == 1);  // more than there is: no limit
  CHECK(root.threads(1).source == "1 processor");
}

TEST_CASE("the least quota on the way up counts") {
  const std::map<std::string, std::string> files = {{"proc/self/cgroup", "0::/a.slice/b.scope/c\n"},
                                                    {"proc/self/mountinfo", kMountV2},
                                                    {"sys/fs/cgroup/a.slice/cpu.max", "300000 100000\n"},
                                                    {"sys/fs/cgroup/a.slice/b.scope/cpu.max", "max 100000\n"},
                                                    {"sys/fs/cgroup/a.slice/b.scope/c/cpu.max", "50000 10000\n"},
                                                    {"sys/fs/cgroup/other/cpu.max", "1000 100000\n"}};
  CHECK(Root(files).threads(16).count == 3);
  CHECK(Root(files).threads(16).source == "16 processors, quota 3 by /sys/fs/cgroup/a.slice/cpu.max");
}

TEST_CASE("a quota of version 1 is two files, and -1 is none") {
  std::map<std::string, std::string> files = {
      {"proc/self/cgroup", "5:memory:/m\n4:cpu,cpuacct:/docker/0a1b\n0::/docker/0a1b\n"},
      {"proc/self/mountinfo", kMountV1},
      {"sys/fs/cgroup/cpu,cpuacct/docker/0a1b/cpu.cfs_quota_us", "-1\n"},
      {"sys/fs/cgroup/cpu,cpuacct/docker/0a1b/cpu.cfs_period_us", "100000\n"}};
  CHECK(Root(files).threads(8).count == 8);
  files["sys/fs/cgroup/cpu,cpuacct/docker/cpu.cfs_quota_us"] = "25000\n";
  files["sys/fs/cgroup/cpu,cpuacct/docker/cpu.cfs_period_us"] = "50000\n";
  CHECK(Root(files).threads(8).count == 1);  // half a processor is one thread
  CHECK(Root(files).threads(8).source ==
        "8 processors, quota 0.5 by /sys/fs/cgroup/cpu,cpuacct/docker/cpu.cfs_quota_us");
}

TEST_CASE("a container's mount starts at its own group") {
  const Root root(
      {{"proc/self/cgroup", "4:cpu:/docker/0a1b/inner\n"},
       {"proc/self/mountinfo", "31 23 0:27 /docker/0a1b /sys/fs/cgroup\\040here ro - cgroup cgroup rw,cpu\n"},
       {"sys/fs/cgroup here/cpu.cfs_quota_us", "200000\n"},
       {"sys/fs/cgroup here/cpu.cfs_period_us", "100000\n"}});
  CHECK(root.threads(8).count == 2);
  const Root outside({{"proc/self/cgroup", "0::/../elsewhere\n"},
                      {"proc/self/mountinfo", kMountV2},
                      {"sys/fs/cgroup/cpu.max", "200000 100000\n"}});
  CHECK(outside.threads(8).count == 2);
}

TEST_CASE("files that make no sense set no limit") {
  for (const char* text :
       {"", "max", "nonsense", "100000", "100000 0", "100000 -5", "-3 100000", "0 100000", "nan 100000", "1e999 1"}) {
    CAPTURE(text);
    const Root root(
        {{"proc/self/cgroup", "0::/\n"}, {"proc/self/mountinfo", kMountV2}, {"sys/fs/cgroup/cpu.max", text}});
    CHECK(root.threads(4).count == 4);
  }
  const Root torn({{"proc/self/cgroup", "nothing\n0:\n"},
                   {"proc/self/mountinfo", std::string("- - -\n x - \n30 - cgroup2\n") + kMountV2},
                   {"sys/fs/cgroup/cpu.max", "100000 100000\n"}});
  CHECK(torn.threads(4).count == 1);
}

TEST_CASE("the count never exceeds the affinity mask, and the CPU backend takes it") {
  cpu_set_t mask;
  REQUIRE(sched_getaffinity(0, sizeof mask, &mask) == 0);
  const int count = available_threads().count;
  CHECK(count >= 1);
  CHECK(count <= CPU_COUNT(&mask));
  const std::string text = std::to_string(count) + (count == 1 ? " thread," : " threads,");
  const std::unique_ptr<Backend> backend = make_cpu_backend(0);
  if (backend->name() == "cpu" && backend->description().find("oneDNN") != std::string::npos)
    CHECK(backend->description().find(text) != std::string::npos);
}
