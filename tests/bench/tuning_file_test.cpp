// Tuning files: what is written is read back, and nothing else is believed.
#include "engine/tuning/tuning_file.h"

#include <array>
#include <cstdlib>
#include <filesystem>

#include "engine/core/atomic_file.h"
#include "engine/core/input_file.h"
#include "engine/core/sha256.h"
#include "engine/tuning/tuned_backend.h"
#include "kernels/api/registry.h"
#include "tests/bench/choosy_backend.h"
#include "tests/engine/support.h"

namespace tsugi::test {
namespace {

Conv2dShape shape(int n) {
  Conv2dShape s;
  s.n = n, s.h = 6, s.w = 7, s.c = 8, s.k = 9, s.r = 3, s.s = 2, s.stride_h = 2, s.pad_h = 1;
  return s;
}

TunedKernel tuned(int n, const std::string& kernel, bool dense = false) {
  return {{KernelOp::conv2d_backward_data, shape(n), DType::f32, dense}, kernel, "usual", 0.0015, 0.002};
}

TuningFile example(ChoosyBackend& backend) {
  TuningFile file = tuning_file_for(backend, "2026-01-02T03:04:05+00:00");
  file.calls = {tuned(1, "fast"), tuned(2, "usual"), tuned(3, "slow"), tuned(4, "usual", true)};
  return file;
}

/// `text` with a digest that fits what it says now: what a forger would do.
std::string forged(std::string text) {
  const std::size_t digits = text.rfind("\"sha256\": \"") + 11;
  text.replace(digits, 64, 64, '0');
  return text.replace(digits, 64, sha256_hex(text));
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

/// A folder that goes with it.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string made = (std::filesystem::temp_directory_path() / "tsugi-tuning-XXXXXX").string();
    REQUIRE(mkdtemp(made.data()) != nullptr);
    path_ = made;
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  std::string path(const std::string& name = "") const { return name.empty() ? path_ : path_ + "/" + name; }

 private:
  std::string path_;
};

/// An environment variable that is put back.
struct Variable {
  explicit Variable(const char* variable) : name(variable) {
    const char* text = std::getenv(variable);
    before = text == nullptr ? "" : text;
  }
  ~Variable() { before.empty() ? unsetenv(name) : setenv(name, before.c_str(), 1); }
  const char* name;
  std::string before;
};

/// What apply_tuning says and does with a file of this content that nobody named.
struct Applied {
  ChoosyBackend backend;
  TuningUse use;
  std::vector<std::string> said;

  Applied(const std::string& path, const std::string& content) {
    write_file_atomically(path, content);
    const Variable tuning("TSUGI_TUNING");
    setenv("TSUGI_TUNING", path.c_str(), 1);
    use = apply_tuning(backend, {"auto", nullptr, [this](const std::string& line) { said.push_back(line); }});
  }
  /// Every call of the example is computed as if there were no file, and one warning says why.
  void check_ignored(const std::string& path, const std::vector<std::string>& words) {
    for (int n = 1; n <= 4; ++n) CHECK(backend.chosen(tuned(n, "").call) == "usual");
    CHECK(use.changed == 0);
    REQUIRE(said.size() == 1);
    CHECK(said[0].find("warning: tuning ignored: " + path) == 0);
    expect_parts(said[0], words);
    CHECK(said[0].find("run tsugi tune") != std::string::npos);
    ChoosyBackend named;
    std::vector<std::string> expected = words;
    expected.push_back("run tsugi tune");
    expect_parts(error_of([&] { apply_tuning(named, {path, nullptr, {}}); }), expected);
    for (int n = 1; n <= 4; ++n) CHECK(named.chosen(tuned(n, "").call) == "usual");
  }
};

TEST_CASE("a tuning file is read back as it was written, and its calls are taken") {
  const TemporaryFolder folder;
  ChoosyBackend maker;
  const TuningFile file = example(maker);
  const std::string text = to_json(file), path = folder.path("t.json");
  const TuningFile back = parse_tuning_file(text, "t");
  CHECK(to_json(back) == text);
  CHECK(back.changed() == 2);
  CHECK(back.calls[3].call.dense);
  CHECK(back.calls[0].call == file.calls[0].call);
  CHECK(back.calls[0].seconds == 0.0015);
  FileLog log;
  write_file_atomically(path, text);
  ChoosyBackend backend;
  std::vector<std::string> said;
  const TuningUse use = apply_tuning(backend, {path, &log, [&](const std::string& line) { said.push_back(line); }});
  CHECK(use.found);
  CHECK(use.ignored.empty());
  CHECK(use.calls == 4);
  CHECK(use.changed == 2);
  CHECK(backend.chosen(tuned(1, "").call) == "fast");
  CHECK(backend.chosen(tuned(2, "").call) == "usual");
  CHECK(backend.chosen(tuned(3, "").call) == "slow");
  CHECK(said ==
        std::vector<std::string>{"kernels as tuned: 2 of 4 known calls take another than by default (" + path + ")"});
  REQUIRE(log.uses().size() == 1);
  CHECK(log.uses()[0].role == "tuning");
}

TEST_CASE(
    "a file of another device, driver, kernels or format is ignored with a warning, and an error where it was named") {
  const TemporaryFolder folder;
  const std::string path = folder.path("t.json");
  ChoosyBackend maker;
  const std::string text = to_json(example(maker));
  const std::vector<std::pair<std::string, std::vector<std::string>>> cases = {
      {forged(replaced(text, "\"device\": \"made up\"", "\"device\": \"board\"")),
       {"made for device \"board\", here is \"made up\""}},
      {forged(replaced(text, "\"driver\": \"1\"", "\"driver\": \"2\"")), {"made for driver \"2\", here is \"1\""}},
      {forged(replaced(text, "\"kernels\": \"01", "\"kernels\": \"02")), {"made for kernels \"022345678"}},
      {forged(replaced(text, "\"tsugi_tuning\": 1", "\"tsugi_tuning\": 2")),
       {"\"tsugi_tuning\" is 2, this version reads 1"}},
      {replaced(text, "\"tsugi_tuning\": 1", "\"tsugi\": 1"), {"not a tuning file"}},
      {replaced(text, "\"fast\"", "\"slow\""), {"digest does not fit"}},
      {"", {"invalid JSON"}},
      {"[1]", {"object expected"}},
      {"{}", {"not a tuning file"}},
      {"\xff\xfe\x00", {"invalid JSON"}},
  };
  for (const auto& [content, words] : cases) {
    CAPTURE(words[0]);
    Applied(path, content).check_ignored(path, words);
  }
}

TEST_CASE("forged calls are refused one by one, in words") {
  ChoosyBackend maker;
  const std::string text = to_json(example(maker));
  for (const auto& [from, to, word] : std::vector<std::array<std::string, 3>>{
           {"\"op\":\"conv2d_backward_data\"", "\"op\":\"conv3d\"", "conv3d"},
           {"\"dtype\":\"f32\"", "\"dtype\":\"u8\"", "u8"},
           {"\"shape\":[1,6,7,8,9,3,2,2,1,1,0,1]", "\"shape\":[1,6,7]", "a list of 12 expected"},
           {"\"shape\":[1,6,7,8,9,3,2,2,1,1,0,1]", "\"shape\":[0,6,7,8,9,3,2,2,1,1,0,1]", "calls[0]"},
           {"\"shape\":[1,6,7,8,9,3,2,2,1,1,0,1]", "\"shape\":[1,6,7,8,9,3,2,2,1,1,0,5]", "groups"},
           {"\"shape\":[1,6,7,8,9,3,2,2,1,1,0,1]", "\"shape\":[1e300,6,7,8,9,3,2,2,1,1,0,1]", "from 0 to 16777216"},
           {"\"shape\":[1,6,7,8,9,3,2,2,1,1,0,1]", "\"shape\":[2,6,7,8,9,3,2,2,1,1,0,1]", "stands twice"},
           {"\"shape\":[1,6,7,8,9,3,2,2,1,1,0,1]", "\"shape\":\"big\"", "a list of 12 expected"},
           {"\"kernel\":\"fast\"", "\"kernel\":7", "calls"},
           {"\"seconds\":0.0015", "\"seconds\":\"soon\"", "a number expected"},
           {"\"driver\": \"1\"", "\"driver\": 1", "a text expected"},
           {"\"kernel\":\"fast\",", "", "kernel"}}) {
    CAPTURE(to);
    const std::string made = forged(replaced(text, from, to));
    const std::string error = error_of([&] { parse_tuning_file(made, "t.json"); });
    if (word == "calls") {
      CHECK(error.find("t.json") == 0);
    } else {
      expect_parts(error, {"t.json", word});
    }
  }
}

TEST_CASE("a file that was cut off anywhere, or has any byte changed, is refused") {
  ChoosyBackend maker;
  const std::string text = to_json(example(maker));
  for (std::size_t size = 0; size + 1 < text.size(); ++size)  // without its last newline it is whole
    CHECK_THROWS_AS(parse_tuning_file(text.substr(0, size), "t"), Error);
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string changed = text;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    CAPTURE(i);
    CHECK_THROWS_AS(parse_tuning_file(changed, "t"), Error);
  }
}

TEST_CASE("a kernel that this backend does not have is refused, and nothing of its file is taken") {
  const std::unique_ptr<Backend> backend = make_cpu_backend(1);
  KernelChoice* choice = backend->kernel_choice();
  if (choice == nullptr) return;
  const TemporaryFolder folder;
  TuningFile file = tuning_file_for(*choice, "now");
  Conv2dShape one = shape(1);
  one.r = one.s = 1, one.stride_h = 1, one.pad_h = 0;
  const KernelCall good{KernelOp::conv2d_forward, one, DType::f32, false};
  const std::string usual = choice->chosen(good);
  file.calls = {{good, "product", usual, 1.0, 2.0},
                {{KernelOp::conv2d_forward, shape(2), DType::f32, false}, "warp", usual, 1.0, 2.0}};
  const std::string path = folder.path("t.json");
  write_file_atomically(path, to_json(file));
  expect_parts(error_of([&] { apply_tuning(*backend, {path, nullptr, {}}); }), {"t.json", "kernel \"warp\""});
  CHECK(choice->chosen(good) == usual);
  file.calls.pop_back();
  write_file_atomically(path, to_json(file));
  CHECK(apply_tuning(*backend, {path, nullptr, {}}).changed == 1);
  CHECK(choice->chosen(good) == "product");
}

TEST_CASE("a named file that is no file or is missing is an error") {
  const TemporaryFolder folder;
  ChoosyBackend backend;
  expect_parts(error_of([&] { apply_tuning(backend, {folder.path(), nullptr, {}}); }), {folder.path(), "is a folder"});
  expect_parts(error_of([&] {
                 apply_tuning(backend, {folder.path("none.json"), nullptr, {}});
               }),
               {"none.json", "No such file"});
  const std::unique_ptr<Backend> plain = make_reference_backend();
  CHECK(apply_tuning(*plain, {folder.path("none.json"), nullptr, {}}).path.empty());  // nothing to choose there
}

TEST_CASE("the file of a device: by name, by TSUGI_TUNING, in the cache folder, or none") {
  const Variable tuning("TSUGI_TUNING"), cache("XDG_CACHE_HOME"), home("HOME");
  ChoosyBackend backend;
  CHECK(tuning_path("off", &backend).empty());
  CHECK(tuning_path("some.json", &backend) == "some.json");
  CHECK(tuning_path("auto", nullptr).empty());
  setenv("TSUGI_TUNING", "off", 1);
  CHECK(tuning_path("auto", &backend).empty());
  setenv("TSUGI_TUNING", "/elsewhere/t.json", 1);
  CHECK(tuning_path("auto", &backend) == "/elsewhere/t.json");
  CHECK_FALSE(apply_tuning(backend, {}).found);  // not there: nothing to say
  unsetenv("TSUGI_TUNING");
  setenv("XDG_CACHE_HOME", "/cache", 1);
  const std::string path = tuning_path("auto", &backend);
  CHECK(path.find("/cache/tsugi/tuning-") == 0);
  CHECK(path.size() == std::string("/cache/tsugi/tuning-.json").size() + 12);
  setenv("XDG_CACHE_HOME", "relative", 1);
  setenv("HOME", "/home/somebody", 1);
  CHECK(tuning_path("auto", &backend).find("/home/somebody/.cache/tsugi/tuning-") == 0);
  unsetenv("HOME");
  CHECK(tuning_path("auto", &backend).empty());
}

TEST_CASE("new measurements replace old ones of the same call, and all of another device's") {
  ChoosyBackend backend;
  const TuningFile older = example(backend);
  TuningFile newer = tuning_file_for(backend, "later");
  newer.calls = {tuned(1, "slow"), tuned(9, "fast")};
  const TuningFile both = merged(older, newer);
  CHECK(both.calls.size() == 5);
  CHECK(both.calls[0].kernel == "slow");
  CHECK(both.date == "later");
  newer.driver = "2";
  CHECK(merged(older, newer).calls.size() == 2);
}

struct TableRow {
  KernelOp op;
  DType dtype;
  Conv2dShape shape;
  std::string row;
};

TEST_CASE("rows to ship are rows that the tables' macros read") {
  ChoosyBackend backend;
  TuningFile file = tuning_file_for(backend, "2026-01-02");
  file.version = "0.1.0", file.device = "Board", file.driver = "driver 10.2";
  file.calls = {tuned(2, "conv2d_backward_data gemm f32 32x32x8 4x4"),
                tuned(1, "usual"),
                {{KernelOp::conv2d_forward, shape(1), DType::f16, true},
                 "conv2d_forward mma f16 64x64x32 4x8",
                 "usual",
                 1.0,
                 2.0}};
  const std::string text = inc_rows(file);
  const std::vector<std::uint8_t> shipped = read_file(std::string(TSUGI_TEST_DATA) + "/tuned_rows.inc");
  CHECK(text == std::string(shipped.begin(), shipped.end()));
  std::vector<TableRow> rows;
#define TSUGI_TUNED(op, dtype, n, h, w, c, k, r, s, stride_h, stride_w, pad_h, pad_w, groups, row) \
  rows.push_back({KernelOp::op, DType::dtype, {n, h, w, c, k, r, s, stride_h, stride_w, pad_h, pad_w, groups}, row});
#include "tests/data/tuned_rows.inc"
#undef TSUGI_TUNED
  REQUIRE(rows.size() == 2);
  CHECK(KernelCall{rows[0].op, rows[0].shape, rows[0].dtype, false} == file.calls[0].call);
  CHECK(rows[0].row == file.calls[0].kernel);
  CHECK(KernelCall{rows[1].op, rows[1].shape, rows[1].dtype, true} == file.calls[2].call);
}

}  // namespace
}  // namespace tsugi::test
