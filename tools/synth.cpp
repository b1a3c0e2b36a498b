// tsugi synth: a folder of drawn people, for trying everything with no data.
#include <memory>

#include "tools/command.h"
#include "tools/console.h"
#include "tools/synth_draw.h"

namespace tsugi::tools {
namespace {

struct Options {
  Common common;
  std::string output;
  int people = 12, photos = 30, size = 250, first = 1;
  std::uint64_t seed = 1;
};

int synth_command(const Options& options) {
  write_synthetic_people(options.output, options.people, options.photos, options.seed, options.size, options.first);
  if (!options.common.quiet)
    print_line(
        format("drew %d people with %d photos each in %s", options.people, options.photos, options.output.c_str()));
  Json json;
  json["people"] = options.people;
  json["photos"] = options.people * options.photos;
  json["output"] = options.output;
  finish(options.common, json);
  return kOk;
}

}  // namespace

void add_synth(CLI::App& app, Run& run) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("synth", "Draw a folder of synthetic people, for trying everything with no data");
  command->add_option("OUT", options->output, "Folder to create")->required();
  command->add_option("--people", options->people, "People to draw")
      ->capture_default_str()
      ->check(CLI::Range(1, 10000));
  command->add_option("--photos", options->photos, "Photos a person")
      ->capture_default_str()
      ->check(CLI::Range(1, 10000));
  command->add_option("--size", options->size, "Pixels a side")->capture_default_str()->check(CLI::Range(32, 1024));
  command->add_option("--first", options->first, "Number of the first person: other numbers are other people")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000000));
  command->add_option("--seed", options->seed, "Seed of every draw")->capture_default_str();
  add_common(*command, options->common, "tsugi synth people/ --people 12 --photos 30");
  command->callback([options, &run] { run = [options] { return synth_command(*options); }; });
}

}  // namespace tsugi::tools
