// Fuzz targets of an experiment's folder, which a stranger may have sent for a report.
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tests/fuzz/targets.h"
#include "tools/experiment/cells.h"
#include "tools/experiment/store.h"

namespace tsugi::fuzz {
namespace {

namespace fs = std::filesystem;

/// An empty folder of this process, gone with it.
class Folder {
 public:
  Folder() {
    std::string pattern = (fs::temp_directory_path() / "tsugi-fuzz-XXXXXX").string();
    expect(::mkdtemp(&pattern[0]) != nullptr, "no temporary folder");
    path_ = pattern;
    fs::create_directory(path_ + "/cells");
  }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  const std::string& put(const std::string& name, const std::uint8_t* bytes, std::size_t size) const {
    std::ofstream(path_ + "/" + name, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes), static_cast<std::streamsize>(size));
    return path_;
  }

 private:
  std::string path_;
};

}  // namespace

bool cell(const std::uint8_t* bytes, std::size_t size) {
  static const Folder folder;
  return accepts([&] {
    for (const tools::Cell& content : tools::read_cells(folder.put("cells/p2_s1_pretrained.json", bytes, size))) {
      const tools::Cell back = tools::cell_from_json(tools::to_json(content), "again");
      expect(back.job.key() == content.job.key() && back.people.size() == content.people.size(), "cell: round trip");
    }
  });
}

bool experiment(const std::uint8_t* bytes, std::size_t size) {
  static const Folder folder;
  return accepts([&] { tools::read_experiment(folder.put("experiment.json", bytes, size)); });
}

}  // namespace tsugi::fuzz
