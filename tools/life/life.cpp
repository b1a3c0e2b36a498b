// Servers, joins, departures; a row of life.csv each.
#include "tools/life/life.h"

#include <algorithm>
#include <filesystem>
#include <random>

#include "engine/core/input_file.h"
#include "engine/core/text.h"
#include "engine/handover/handover.h"
#include "engine/handover/make_bundle.h"
#include "engine/handover/personal_people.h"
#include "engine/train/checkpoint_session.h"
#include "engine/train/dataset.h"
#include "engine/train/photo_source.h"
#include "tools/experiment/store.h"

namespace tsugi::tools {
namespace {

namespace fs = std::filesystem;

constexpr int kFewestTests = 2;  // of a person who joins

struct Person {
  std::string name, folder;
  int photos = 0;
};

/// Of a folder of people, by name.
std::vector<Person> people_of(const std::string& folder) {
  std::vector<Person> people;
  const PhotoFolder scanned = scan_photos(folder, 1);
  for (std::size_t i = 0; i < scanned.class_names.size(); ++i)
    people.push_back({scanned.class_names[i], folder + "/" + scanned.class_names[i],
                      static_cast<int>(std::count(scanned.labels.begin(), scanned.labels.end(), static_cast<int>(i)))});
  return people;
}

Person person_of(const std::string& folder) {
  const PhotoFolder scanned = scan_person(folder);
  if (scanned.class_names.size() != 1)
    throw Error(folder + ": holds photos of " + std::to_string(scanned.class_names.size()) + " people, 1 expected");
  return {scanned.class_names[0], folder, static_cast<int>(scanned.photos.size())};
}

std::string life_csv(const std::vector<LifeRow>& rows) {
  std::string text =
      "server,event,person,people,photos,fraction,general_before,general,general_photos,personal,personal_photos,same,"
      "bytes\n";
  for (const LifeRow& row : rows)
    text += row.server + "," + row.event + "," + csv_field(row.person) + "," + std::to_string(row.people) + "," +
            std::to_string(row.photos) + "," + number_text(row.fraction) +
            format(",%.4f,%.4f,%llu,%.4f,%llu,", row.before, row.general.accuracy(),
                   static_cast<unsigned long long>(row.general.photos), row.personal.accuracy(),
                   static_cast<unsigned long long>(row.personal.photos)) +
            row.same + "," + std::to_string(row.bytes) + "\n";
  return text;
}

class Life {
 public:
  Life(const LifeSettings& settings, Console& console, FileLog* files)
      : settings_(settings), console_(console), files_(files), people_(people_of(settings.people)) {
    for (const std::string& folder : settings.personal) more_.push_back(person_of(folder));
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
    const Json identity = {{"people", fs::weakly_canonical(settings_.people).string()},
                           {"held_back", settings_.held_back},
                           {"epochs", settings_.epochs},
                           {"model", settings_.model}};
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

  /// People held back in a turn: by a shuffle that is the seed's alone.
  std::vector<Person> held_back(std::uint64_t seed, int turn) const {
    std::vector<Person> order = people_;
    std::mt19937_64 random(seed);
    for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random() % i]);
    const auto begin = order.begin() + (turn - 1) * settings_.held_back;
    return {begin, begin + settings_.held_back};
  }

  TrainRequest train_request(const std::string& output) const {
    TrainRequest request;
    request.device = settings_.device;
    request.precision = settings_.precision;
    request.threads = settings_.threads;
    request.run.output = output;
    return request;
  }

  RunObserver observer() {
    RunObserver observer = console_.observer(files_);
    observer.evaluated = nullptr;
    observer.say = nullptr;
    return observer;
  }

  /// On all people but these.
  PretrainRequest pretraining(const std::vector<Person>& held, const std::string& output) const {
    PretrainRequest request;
    request.train = train_request(output);
    request.photos = settings_.people;
    request.model = settings_.model;
    for (const Person& person : people_)
      if (std::none_of(held.begin(), held.end(), [&](const Person& other) { return other.name == person.name; }))
        request.people.push_back(person.name);
    return request;
  }

  /// False when it was stopped.
  bool pretrain_without(const std::vector<Person>& held, std::uint64_t seed, const std::string& server) {
    if (fs::exists(server)) return true;
    const std::string part = server + ".part";
    PretrainRequest request = pretraining(held, part);
    request.train.overrides.set(&TrainSettings::seed, seed);
    if (settings_.epochs > 0) request.train.overrides.set(&TrainSettings::epochs, settings_.epochs);
    if (fs::exists(part)) request.continue_from = part;
    if (pretrain(request, observer()).stopped) return false;
    fs::rename(part, server);
    return true;
  }

  BundleSource source_of(const std::string& server) const {
    BundleSource source;
    source.checkpoint = server;
    source.photos = settings_.people;
    source.only_known_people = true;
    source.device = settings_.device;
    source.threads = settings_.threads;
    return source;
  }

  bool run_server(std::uint64_t seed, int turn) {
    server_ = std::to_string(seed) + "-" + std::to_string(turn);
    const std::vector<Person> held = held_back(seed, turn);
    const std::string server = path("servers/" + server_ + ".safetensors");
    if (!pretrain_without(held, seed, server)) return false;
    try {
      BundleMaker maker(source_of(server), observer());
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
    request.train = train_request(to);
    request.train.overrides.set(&TrainSettings::test_fraction, test_share);
    request.overrides.set(&HandoverSettings::general_loss, settings_.general_loss);
    request.bundle = bundle;
    return request;
  }

  RunSummary hand_over(const HandoverRequest& request) {
    RunSummary summary = resume(request, observer());
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

  void add(LifeRow row, const RunSummary& summary, const std::string& device) {
    row.server = server_;
    row.before = summary.history.accuracy_general_before;
    row.general = summary.evaluation.general;
    row.personal = summary.evaluation.personal;
    row.bytes = fs::file_size(device);
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
    train_on(held, server, later);
    BundleRequest request;
    request.output = bundle;
    request.fraction = 0.0;
    request.previous = server;
    make_bundle(source_of(later), request, observer());
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
    without.evaluation.personal = tested(device, people);
    row.event = "carried";
    add(row, without, device);
  }

  void train_on(const std::vector<Person>& held, const std::string& server, const std::string& later) {
    if (fs::exists(later)) return;
    const std::string part = later + ".part";
    PretrainRequest request = pretraining(held, part);
    const Checkpoint before = read_checkpoint(server, files_);
    request.train.overrides.set(&TrainSettings::epochs,
                                static_cast<int>(before.progress.epoch) + settings_.release_epochs);
    request.continue_from = fs::exists(part) ? part : server;
    if (pretrain(request, observer()).stopped) throw Error("stopped");
    fs::rename(part, later);
  }

  /// How a device does on the photos of its people that it lists as tests.
  Tally tested(const std::string& device, const std::string& photos) {
    const CheckpointSession session(device, settings_.device, settings_.threads, files_);
    PhotoFolder folder = scan_photos(photos, 1);
    folder.labels = labels_among(folder, session.checkpoint.class_names, photos);
    const PhotoStore store = load_photos(folder, session.preprocessing, settings_.threads, observer());
    std::vector<std::uint32_t> tests;
    for (std::uint32_t i = 0; i < store.size(); ++i)
      if (contains(session.checkpoint.test_photos, store.photo(i).file)) tests.push_back(i);
    Inference inference(*session.network, kSmallBatch);
    return evaluate(inference, PhotoSource(*session.backend, store), tests, session.network->classes(), {}).overall;
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
  std::vector<Person> people_, more_;
  std::string server_;
  LifeSummary summary_;
};

}  // namespace

LifeSummary run_life(const LifeSettings& settings, Console& console, FileLog* files) {
  if (files != nullptr)
    for (const std::string& place : {settings.people, settings.out}) files->personal(place);
  return Life(settings, console, files).run();
}

}  // namespace tsugi::tools
