// tsugi synth: a folder of drawn people, for trying everything with no data.
#include <unistd.h>

#include <atomic>
#include <exception>
#include <filesystem>
#include <memory>

#include "engine/core/atomic_file.h"
#include "engine/data/encode.h"
#include "kernels/api/error.h"
#include "tools/command.h"
#include "tools/console.h"
#include "tools/synth/people.h"

namespace tsugi::tools {
namespace {

namespace fs = std::filesystem;

struct SynthOptions {
  Common common;
  std::string output;
  int people = 12, photos = 30, size = 250, first = 1;
  std::uint64_t seed = 1;
};

/// Different for every number below 3.2 million: the digits of a shuffled number, spoken.
std::string person_name(std::uint64_t seed, int person) {
  static const char* const syllables[] = {"ka", "lo", "mi",  "ra", "ne", "su", "ti", "vo", "be", "da",
                                          "ni", "ro", "sha", "le", "mo", "ri", "ta", "ve", "no", "ji"};
  std::uint64_t number = (person * 1234577ull + philox(seed, 0, 0, purpose::kSynth, 0).v[0]) % 3200000;
  std::string name;
  for (int i = 0; i < 5; ++i, number /= 20) {
    std::string syllable = syllables[number % 20];
    if (i == 2) name += '_';
    if (i == 0 || i == 2) syllable[0] = static_cast<char>(syllable[0] - 'a' + 'A');
    name += syllable;
  }
  return name;
}

void write_photo(const SynthOptions& options, const fs::path& folder, int person, int photo) {
  const std::string name = person_name(options.seed, person);
  fs::create_directory(folder / name);
  const std::vector<std::uint8_t> pixels = draw_photo(options.seed, person, photo, options.size);
  const std::vector<std::uint8_t> jpeg = encode_jpeg({pixels.data(), options.size, options.size, 3}, 92);
  const fs::path file = folder / name / format("%s_%04d.jpg", name.c_str(), photo + 1);
  write_file_atomically(file.string(), jpeg.data(), jpeg.size());
}

/// Photos are drawn by all threads; a failure is thrown when all have stopped.
void write_people(const SynthOptions& options, const fs::path& folder) {
  std::atomic<bool> failed{false};
  std::exception_ptr failure;
#pragma omp parallel for schedule(dynamic, 1)
  for (int i = 0; i < options.people * options.photos; ++i) {
    try {
      if (!failed) write_photo(options, folder, options.first + i / options.photos, i % options.photos);
    } catch (...) {
      if (!failed.exchange(true)) failure = std::current_exception();
    }
  }
  if (failure) std::rethrow_exception(failure);
}

/// OUT/<name>/<name>_0001.jpg ...: a new folder is drawn beside its place, so that whoever finds it there finds it
/// whole. What was written is removed when something fails.
void write_folder(const SynthOptions& options) {
  std::error_code error;
  const auto check = [&](bool holds, const std::string& message) {
    if (!holds) throw Error("synth: " + options.output + message);
  };
  const fs::path out = options.output, target = out.has_filename() ? out : out.parent_path();
  const bool existed = fs::exists(out, error);
  check(!existed || (fs::is_directory(out, error) && fs::is_empty(out, error) && !error),
        " exists and is not an empty folder");
  const fs::path folder = existed ? target : fs::path(target.string() + ".tmp-" + std::to_string(::getpid()) + "-0");
  const bool made = existed || fs::create_directories(folder, error);
  check(made, " cannot be made: " + error.message());
  try {
    write_people(options, folder);
    if (!existed) fs::rename(folder, target, error);
    check(!error, " cannot be renamed into place: " + error.message());
  } catch (...) {
    for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) fs::remove_all(entry.path(), error);
    if (!existed) fs::remove(folder, error);
    throw;
  }
}

int synth_command(const SynthOptions& options) {
  write_folder(options);
  if (!options.common.quiet)
    print_line(
        format("drew %d people with %d photos each in %s", options.people, options.photos, options.output.c_str()));
  finish(options.common,
         {{"people", options.people}, {"photos", options.people * options.photos}, {"output", options.output}});
  return kOk;
}

}  // namespace

void add_synth(CLI::App& app, Run& run) {
  auto options = std::make_shared<SynthOptions>();
  CLI::App* command =
      app.add_subcommand("synth", "Draw a folder of synthetic people, for trying everything with no data");
  command->add_option("OUT", options->output, "Folder to create")->required();
  const auto number = [&](const char* name, int& value, int low, int high, const char* help) {
    command->add_option(name, value, help)->capture_default_str()->check(CLI::Range(low, high));
  };
  number("--people", options->people, 1, 10000, "People to draw");
  number("--photos", options->photos, 1, 10000, "Photos a person");
  number("--size", options->size, 32, 1024, "Pixels a side");
  number("--first", options->first, 1, 1000000, "Number of the first person: other numbers are other people");
  command->add_option("--seed", options->seed, "Seed of every draw")->capture_default_str();
  add_common(*command, options->common, "tsugi synth people/ --people 12 --photos 30");
  command->callback([options, &run] { run = [options] { return synth_command(*options); }; });
}

}  // namespace tsugi::tools
