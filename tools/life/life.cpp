// Servers, joins, departures; a row of life.csv each.
#include "tools/life/life.h"

#include <algorithm>
#include <filesystem>

#include "engine/core/input_file.h"
#include "engine/core/text.h"
#include "engine/handover/handover.h"
#include "engine/handover/make_bundle.h"
#include "engine/handover/personal_people.h"
#include "tools/experiment/store.h"
#include "tools/life/life_look.h"
#include "tools/life/life_people.h"
#include "tools/life/life_servers.h"

namespace tsugi::tools {
namespace {

namespace fs = std::filesystem;

constexpr int kFewestTests = 2;  // of a person who joins

class Life {
 public:
  Life(const LifeSettings& settings, Console& console, FileLog* files)
      : settings_(settings),
        console_(console),
        files_(files),
        quiet_(quiet(console, files)),
        people_(people_of(settings.people)),
        servers_(settings, people_, quiet_) {
    for (const std::string& folder : settings.personal) more_.push_back(person_of(folder));
    std::vector<Person> known = people_;
    known.insert(known.end(), more_.begin(), more_.end());
    for (const std::string& folder : {settings.train_strangers, settings.strangers})
      if (!folder.empty()) add_strangers_of(folder, known);
    const auto held = static_cast<std::size_t>(settings.held_back * settings.servers);
    if (held > people_.size() || people_.size() < static_cast<std::size_t>(settings.held_back) + 2)
      throw Error(settings.people + ": holds " + std::to_string(people_.size()) + " people, at least " +
                  std::to_string(std::max(held, static_cast<std::size_t>(settings.held_back) + 2)) +
                  " expected to hold back " + std::to_string(settings.held_back) + " from each of " +
                  std::to_string(settings.servers) + " servers a seed");
  }

  LifeSummary run() {
    open();
    for (int seed = 1; seed <= settings_.seeds; ++seed)
      for (int turn = 1; turn <= settings_.servers; ++turn)
        if (!run_server(static_cast<std::uint64_t>(seed), turn)) {
          summary_.stopped = true;
          return summary_;
        }
    fs::remove_all(path("work"));
    return summary_;
  }

 private:
  std::string path(const std::string& name) const { return settings_.out + "/" + name; }

  /// What makes its servers' weights must be the same each time.
  void open() {
    const Json identity = {
        {"people", fs::weakly_canonical(settings_.people).string()},
        {"held_back", settings_.held_back},
        {"epochs", settings_.epochs},
        {"model", settings_.model},
        {"train_strangers",
         settings_.train_strangers.empty() ? Json() : Json(fs::weakly_canonical(settings_.train_strangers).string())}};
    const std::string about = path("life.json");
    if (fs::exists(settings_.out) && !fs::is_empty(settings_.out) && !fs::exists(about))
      throw Error(settings_.out + ": is not empty and holds no life.json, a new folder expected");
    if (fs::exists(about)) {
      const Json old = read_json(about, {"life", files_});
      for (const auto& [key, value] : identity.items())
        if (old.value(key, Json()) != value)
          throw Error(about + ": " + key + " is " + old.value(key, Json()).dump() + ", this life has " + value.dump() +
                      "; another folder expected");
    }
    for (const char* folder : {"servers", "work"}) fs::create_directories(path(folder));
    write_own_file(about, json_text(identity, 1) + "\n", {"life", files_});
  }

  /// Progress alone.
  static RunObserver quiet(Console& console, FileLog* files) {
    RunObserver observer = console.observer(files);
    observer.evaluated = nullptr;
    observer.say = nullptr;
    return observer;
  }

  bool run_server(std::uint64_t seed, int turn) {
    server_ = std::to_string(seed) + "-" + std::to_string(turn);
    const std::vector<Person> held = held_back(people_, seed, turn, settings_.held_back);
    const std::string server = path("servers/" + server_ + ".safetensors");
    if (!servers_.train(held, seed, server)) return false;
    try {
      BundleMaker maker(servers_.source_of(server), quiet_);
      for (const double fraction : settings_.fractions) {
        BundleRequest bundle;
        bundle.output = path("work/" + number_text(fraction) + ".tar");
        bundle.fraction = fraction;
        maker.make(bundle);
        join_alone(held, bundle.output, fraction);
      }
      BundleRequest none;
      none.output = path("work/none.tar");
      none.fraction = 0.0;
      maker.make(none);
      live(held, none.output, server);
    } catch (const Error&) {
      if (stop_requested()) return false;
      throw;
    }
    return true;
  }

  HandoverRequest request_of(const std::string& bundle, double test_share, const std::string& to) const {
    HandoverRequest request;
    request.train = life_training(settings_, to);
    request.train.overrides.set(&TrainSettings::test_fraction, test_share);
    request.overrides.set(&HandoverSettings::general_loss, settings_.general_loss);
    request.bundle = bundle;
    return request;
  }

  RunSummary hand_over(const HandoverRequest& request) {
    RunSummary summary = resume(request, quiet_);
    if (summary.stopped) throw Error("stopped");
    return summary;
  }

  /// photos: for training, of each person; the rest tests them, `share` of all where there are several people.
  RunSummary hand_over(const std::string& from, const std::string& personal, int photos, double share,
                       const std::string& to) {
    HandoverRequest request = request_of(from, share, to);
    request.personal = personal;
    request.personal_photos = static_cast<std::size_t>(photos);
    return hand_over(request);
  }

  TestedDevice look(const std::string& device, const std::vector<std::string>& folders) {
    return {device, folders, settings_.device, settings_.threads, quiet_};
  }

  /// Of everybody who may be known to a device.
  std::vector<std::string> folders() const {
    std::vector<std::string> folders;
    for (const auto* people : {&people_, &more_})
      for (const Person& person : *people) folders.push_back(person.folder);
    return folders;
  }

  void add(LifeRow row, const RunSummary& summary, const std::string& device) {
    row.server = server_;
    row.before = summary.history.accuracy_general_before;
    row.general = summary.evaluation.general;
    row.personal = summary.evaluation.personal;
    row.bytes = fs::file_size(device);
    if (!settings_.strangers.empty()) row.strangers = look(device, folders()).meet(settings_.strangers);
    console_.say(format("%s  %-6s  %d people, %d photos, %s sent  general %s (%s before), personal %s",
                        row.server.c_str(), row.event.c_str(), row.people, row.photos, percent(row.fraction).c_str(),
                        percent(row.general.accuracy()).c_str(), percent(row.before).c_str(),
                        percent(row.personal.accuracy()).c_str()));
    summary_.rows.push_back(row);
    write_own_file(path("life.csv"), life_csv(summary_.rows), {"life", files_, true});
  }

  void join_alone(const std::vector<Person>& held, const std::string& bundle, double fraction) {
    std::vector<Person> joining = held;
    joining.insert(joining.end(), more_.begin(), more_.end());
    const std::string device = path("work/device.safetensors");
    for (const int photos : settings_.photos)
      for (const Person& person : joining) {
        if (person.photos < photos + kFewestTests) continue;
        constexpr double kMostTests = 0.9;  // what --test-fraction allows
        const double share = std::min(kMostTests, static_cast<double>(person.photos - photos) / person.photos);
        const RunSummary summary = hand_over(bundle, person.folder, photos, share, device);
        LifeRow row;
        row.event = "joins";
        row.person = person.name;
        row.people = 1;
        row.photos = photos;
        row.fraction = fraction;
        add(std::move(row), summary, device);
      }
  }

  /// A folder of links to people's folders.
  std::string together(const std::vector<Person>& people) const {
    const std::string folder = path("work/together");
    fs::remove_all(folder);
    fs::create_directories(folder);
    for (const Person& person : people)
      fs::create_directory_symlink(fs::canonical(person.folder), folder + "/" + person.name);
    return folder;
  }

  RunSummary at_once(const std::string& bundle, const std::vector<Person>& people, const std::string& to) {
    return hand_over(bundle, together(people), settings_.crowd_photos, kCrowdTests, to);
  }

  /// One after another without the bundle, beside all at once with it; then they leave.
  void live(const std::vector<Person>& held, const std::string& bundle, const std::string& server) {
    const std::string all = path("work/all.safetensors");
    std::string alive;
    std::vector<Person> known;
    for (const Person& person : held) {
      known.push_back(person);
      const std::string next = path("work/alive-" + std::to_string(known.size()) + ".safetensors");
      hand_over(alive.empty() ? bundle : alive, person.folder, settings_.crowd_photos, kCrowdTests, next);
      alive = next;
      add_crowd("all", person, at_once(bundle, known, all), static_cast<int>(known.size()), all, alive);
    }
    if (settings_.release_epochs > 0) next_release(held, server, alive);
    while (known.size() > 1) {
      const Person leaves = known.front();
      known.erase(known.begin());
      Checkpoint left = read_checkpoint(alive, files_);
      forget_people(left, {leaves.name}, alive);
      write_checkpoint(alive, left, left.kind, files_);
      add_crowd("leaves", leaves, at_once(bundle, known, all), static_cast<int>(known.size()), all, alive);
    }
  }

  /// The server trains on; everybody is carried over by their photos, and without them.
  void next_release(const std::vector<Person>& held, const std::string& server, const std::string& alive) {
    const std::string later = path("servers/" + server_ + "-later.safetensors"), bundle = path("work/later.tar");
    if (!servers_.train_on(held, server, later)) throw Error("stopped");
    BundleRequest request;
    request.output = bundle;
    request.fraction = 0.0;
    request.previous = server;
    make_bundle(servers_.source_of(later), request, quiet_);
    const std::string device = path("work/later.safetensors"), people = together(held);
    const RunSummary with_photos = hand_over(bundle, people, settings_.crowd_photos, kCrowdTests, device);
    LifeRow row;
    row.people = static_cast<int>(held.size());
    row.photos = settings_.crowd_photos;
    row.event = "release";
    add(row, with_photos, device);
    HandoverRequest carry = request_of(bundle, kCrowdTests, device);
    carry.from = alive;
    RunSummary without = hand_over(carry);
    std::vector<std::string> carried;
    for (const Person& person : held) carried.push_back(person.folder);
    without.evaluation.personal = look(device, carried).recall();
    row.event = "carried";
    add(row, without, device);
  }

  void add_crowd(const char* event, const Person& person, const RunSummary& summary, int people, const std::string& all,
                 const std::string& alive) {
    LifeRow row;
    row.event = event;
    row.person = person.name;
    row.people = people;
    row.photos = settings_.crowd_photos;
    row.same = read_file(all) == read_file(alive) ? "yes" : "no";
    add(std::move(row), summary, alive);
  }

  static constexpr double kCrowdTests = 0.5;

  const LifeSettings& settings_;
  Console& console_;
  FileLog* files_;
  const RunObserver quiet_;
  std::vector<Person> people_, more_;
  LifeServers servers_;
  std::string server_;
  LifeSummary summary_;
};

}  // namespace

LifeSummary run_life(const LifeSettings& settings, Console& console, FileLog* files) {
  if (files != nullptr)
    for (const std::string& place : {settings.people, settings.out, settings.strangers, settings.train_strangers})
      if (!place.empty()) files->personal(place);
  return Life(settings, console, files).run();
}

}  // namespace tsugi::tools
