// A profile of a training run: every part of every step, evaluations and checkpoints on one time line, as a trace that
// ui.perfetto.dev and chrome://tracing open, and summed up.
// Format: "Trace Event Format", https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "engine/core/file_log.h"
#include "engine/train/step_recorder.h"

namespace tsugi {

/// Sum over a run. Outside of steps and for parts that are no layer's, `layer` is empty.
struct ProfileLine {
  std::string part, layer;
  double seconds = 0.0;
  std::uint64_t times = 0;  ///< stays
};

class Profile {
 public:
  /// Beyond so many events the trace leaves steps out, and says so; sums go on.
  static constexpr std::size_t kMaxEvents = 400000;

  Profile(Backend& backend, const Model& model, std::size_t max_events = kMaxEvents);

  /// For Trainer::watch().
  StepProbe* probe() { return &recorder_; }
  void begin_step() { step_begin_ = now(); }
  /// step: its number, from 1.
  void end_step(std::uint32_t step);

  /// Something that is no step, from its constructor to its destructor. profile: null = nobody asked.
  class Span {
   public:
    Span(Profile* profile, const char* name)
        : profile_(profile), name_(name), begin_(profile != nullptr ? profile->now() : 0.0) {}
    ~Span() {
      if (profile_ != nullptr) profile_->add_span(name_, begin_, profile_->now() - begin_);
    }
    Span(const Span&) = delete;
    Span& operator=(const Span&) = delete;

   private:
    Profile* profile_;
    const char* name_;
    double begin_;
  };

  /// The longest first.
  std::vector<ProfileLine> lines() const;
  /// Throws Error naming the path. files: as RunObserver::files.
  void write(const std::string& path, const FilePurpose& purpose = {}) const;

 private:
  struct Event {
    std::string name, category;
    double begin, seconds;
  };

  double now() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }
  void add_span(const char* name, double begin, double seconds);
  void sum_up(const std::string& part, const std::string& layer, double seconds);

  StepRecorder recorder_;
  std::vector<std::string> layers_;
  std::string device_;
  std::size_t max_events_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  double step_begin_ = 0.0;
  std::uint32_t left_out_ = 0;  // steps
  std::vector<Event> events_;
  std::map<std::pair<std::string, std::string>, ProfileLine> sums_;
};

}  // namespace tsugi
