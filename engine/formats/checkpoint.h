// A checkpoint: everything that training needs to go on in another process or on another device, as one .safetensors
// file that any tool of the field opens. train fills and consumes the struct; bundles carry the file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "engine/core/file_log.h"
#include "engine/formats/safetensors.h"

namespace tsugi {

/// Where training stands. With the seed these are all the keys of the random generator: it keeps no other state.
struct TrainingProgress {
  std::uint64_t seed = 0;
  std::uint32_t epoch = 0;                  ///< finished epochs
  std::uint32_t batch = 0;                  ///< batches done in the current epoch
  std::uint32_t step = 0;                   ///< optimizer steps so far
  std::uint32_t skipped_steps = 0;          ///< of them, those that dynamic loss scaling left out
  float loss_scale = 0.0f;                  ///< of the next step; 0 where there is no loss scaling (see LossScale)
  std::uint32_t loss_scale_good_steps = 0;  ///< finite gradients since it last changed
};

/// full: float32, moments, photo lists and metrics; reads back bit for bit. fp16 and int8 are compact, without those:
/// parameters and statistics are float16, or (int8) matrices and convolution weights are 8-bit integers with a scale
/// for each output channel, and all tensors together are packed: one tensor of bytes, "packed", is the gzipped
/// .safetensors file of them. A compact tensor whose values exceed float16's range stays float32.
enum class CheckpointKind : std::uint8_t { full, fp16, int8 };

/// "full", "fp16", "int8".
const char* name_of(CheckpointKind kind);

struct Checkpoint {
  std::string model = "{}";                   ///< the model description, a JSON object
  std::vector<std::string> class_names;       ///< in the order of the last layer's outputs; no duplicates
  std::vector<std::string> personal_classes;  ///< those of class_names that came from personal data
  std::string preprocessing = "{}";           ///< JSON objects, owned by data and train
  std::string settings = "{}";
  std::string provenance = "{}";
  std::string metrics = "{}";
  std::vector<std::string> train_photos;  ///< "class/file" of every training photo; full checkpoints only
  std::vector<std::string> test_photos;   ///< "class/file" of every test photo; full checkpoints only
  /// SHA-256 of each of these photos' files, in the same order; empty in compact checkpoints and in those of older
  /// versions.
  std::vector<std::string> train_digests, test_digests;
  /// What they show, as to_print() says it (data/photo_identity.h), in the same order; "" where nobody saw it. Empty in
  /// compact checkpoints and in those of older versions.
  std::vector<std::string> train_prints, test_prints;
  /// SHA-256 of the photos behind the personal people's rows of `people`, by name: {"Ann": ["00ab...", ...]}.
  std::string people_photos = "{}";
  TrainingProgress progress;
  std::vector<NamedTensor> parameters;  ///< float32, "conv1.weight", ...; weights have their outputs outermost
  std::vector<NamedTensor> statistics;  ///< float32, "bn1.running_mean", ...
  /// float32 in every kind: where the features of everybody that it knows lie, by which the head is made and remade
  /// (see handover/people_statistics.h); empty where nobody asked for it, or where layers learnt since.
  std::vector<NamedTensor> people;
  /// Full checkpoints of a training with strangers only: the head's rows of people in no class,
  /// "strangers.head.weight", and their moments, "strangers.momentum.head.weight" (see train/strangers.h). Nothing but
  /// such a training's continuation reads them.
  std::vector<NamedTensor> strangers;
  /// For each optimizer buffer ("momentum", "adam_m", "adam_v"), tensors of the parameters' names and shapes.
  std::map<std::string, std::vector<NamedTensor>> moments;
  CheckpointKind kind = CheckpointKind::full;  ///< set by reading: how the file stored it; writing ignores it
};

/// The file's bytes. Throws on JSON that is not an object, duplicate names, moments that do not match the parameters,
/// and (compact kinds) values that are not finite.
std::vector<std::uint8_t> encode_checkpoint(const Checkpoint& checkpoint, CheckpointKind kind);

/// Reads such bytes (host), parameters and statistics dequantised to float32; `place`, the file's name, opens every
/// message. A digest over the whole file is checked: any changed byte and any cut is an Error.
Checkpoint decode_checkpoint(const std::uint8_t* bytes, std::size_t size, const std::string& place);

/// The same, to and from a file (written atomically). The file is personal when a class is: for its owner alone, and so
/// in the log.
void write_checkpoint(const std::string& path, const Checkpoint& checkpoint, CheckpointKind kind,
                      FileLog* files = nullptr);
Checkpoint read_checkpoint(const std::string& path, FileLog* files = nullptr);

}  // namespace tsugi
