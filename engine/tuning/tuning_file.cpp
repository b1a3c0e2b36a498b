// The format of tuning files. Contents are never trusted.
#include "engine/tuning/tuning_file.h"

#include <algorithm>
#include <array>
#include <map>

#include "engine/core/input_file.h"
#include "engine/core/json_value.h"
#include "engine/core/sha256.h"
#include "engine/core/text.h"
#include "engine/core/version.h"
#include "kernels/api/error.h"

namespace tsugi {
namespace {

constexpr const char* kSchemaKey = "tsugi_tuning";
constexpr std::uint64_t kMostBytes = std::uint64_t{4} << 20;
constexpr std::size_t kDigits = 64;
constexpr const char* kDigestKey = "\"sha256\": \"";

constexpr std::array<int Conv2dShape::*, 12> kShapeFields = {
    {&Conv2dShape::n, &Conv2dShape::h, &Conv2dShape::w, &Conv2dShape::c, &Conv2dShape::k, &Conv2dShape::r,
     &Conv2dShape::s, &Conv2dShape::stride_h, &Conv2dShape::stride_w, &Conv2dShape::pad_h, &Conv2dShape::pad_w,
     &Conv2dShape::groups}};

Json shape_json(const Conv2dShape& shape) {
  Json json = Json::array();
  for (const auto field : kShapeFields) json.push_back(shape.*field);
  return json;
}

/// The text with the digits of its digest blanked, and the digest of that.
std::string digest_of(std::string text, std::size_t digits) {
  return sha256_hex(text.replace(digits, kDigits, kDigits, '0'));
}

/// Where the digits of a file's digest stand: in its last line but one. Throws Error where there are none.
std::size_t digits_of(const std::string& text, const std::string& place) {
  const std::size_t key = text.rfind(kDigestKey);
  const std::size_t digits = key == std::string::npos ? key : key + std::string(kDigestKey).size();
  if (digits == std::string::npos || digits + kDigits > text.size())
    throw Error(place + ": has no digest; it was cut off, or tsugi tune did not write it");
  return digits;
}

template <class Enum, std::size_t N>
Enum named(const JsonValue& value, const std::array<Enum, N>& known) {
  const std::string name = value.text();
  for (const Enum one : known)
    if (name == name_of(one)) return one;
  value.fail(shown(name) + " is unknown");
}

KernelCall call_from(const JsonValue& json) {
  KernelCall call;
  call.op = named(json.at("op"), std::array<KernelOp, 3>{{KernelOp::conv2d_forward, KernelOp::conv2d_backward_data,
                                                          KernelOp::conv2d_backward_weight}});
  call.dtype = named(json.at("dtype"), std::array<DType, 3>{{DType::f32, DType::f16, DType::bf16}});
  call.dense = json.at("dense").truth();
  constexpr int kLargest = 1 << 24;
  const std::vector<JsonValue> sizes = json.at("shape").items(kShapeFields.size(), kShapeFields.size());
  for (std::size_t i = 0; i < kShapeFields.size(); ++i) call.shape.*kShapeFields[i] = sizes[i].whole<int>(0, kLargest);
  validate(call.shape, json.place().c_str());
  return call;
}

TuningFile file_from(const JsonValue& json) {
  TuningFile file;
  file.version = json.at("tsugi_version").text();
  file.date = json.at("date").text();
  file.device = json.at("device").text();
  file.driver = json.at("driver").text();
  file.kernels = json.at("kernels").text();
  std::map<KernelCall, bool> seen;
  for (const JsonValue& one : json.objects("calls")) {
    TunedKernel tuned;
    tuned.call = call_from(one);
    if (!seen.emplace(tuned.call, true).second) one.fail(describe(tuned.call) + " stands twice in the file");
    tuned.kernel = one.at("kernel").text();
    tuned.default_kernel = one.at("default").text();
    tuned.seconds = one.at("seconds").number();
    tuned.default_seconds = one.at("default_seconds").number();
    file.calls.push_back(tuned);
  }
  return file;
}

}  // namespace

int TuningFile::changed() const {
  return static_cast<int>(std::count_if(calls.begin(), calls.end(),
                                        [](const TunedKernel& one) { return one.kernel != one.default_kernel; }));
}

TuningFile tuning_file_for(const KernelChoice& choice, const std::string& date) {
  return {version(), date, choice.device(), choice.driver(), choice.kernels(), {}};
}

TuningFile merged(const TuningFile& older, const TuningFile& newer) {
  TuningFile file = newer;
  if (older.device != newer.device || older.driver != newer.driver || older.kernels != newer.kernels) return file;
  for (const TunedKernel& one : older.calls) {
    const bool known = std::any_of(newer.calls.begin(), newer.calls.end(),
                                   [&](const TunedKernel& other) { return other.call == one.call; });
    if (!known) file.calls.push_back(one);
  }
  return file;
}

std::string to_json(const TuningFile& file) {
  Json json;
  json[kSchemaKey] = kTuningSchema;
  json["tsugi_version"] = file.version;
  json["date"] = file.date;
  json["device"] = file.device;
  json["driver"] = file.driver;
  json["kernels"] = file.kernels;
  std::string text = json_text(json, 1);
  text.resize(text.size() - 2);  // the calls come a line each
  text += ",\n \"calls\": [";
  for (const TunedKernel& one : file.calls) {
    const Json line{{"op", name_of(one.call.op)}, {"dtype", name_of(one.call.dtype)},
                    {"dense", one.call.dense},    {"shape", shape_json(one.call.shape)},
                    {"kernel", one.kernel},       {"default", one.default_kernel},
                    {"seconds", one.seconds},     {"default_seconds", one.default_seconds}};
    text += (text.back() == '[' ? "\n  " : ",\n  ") + line.dump();
  }
  text += "\n ],\n " + std::string(kDigestKey) + std::string(kDigits, '0') + "\"\n}\n";
  const std::size_t digits = digits_of(text, "tuning");
  return text.replace(digits, kDigits, digest_of(text, digits));
}

TuningFile parse_tuning_file(const std::string& text, const std::string& place) {
  const Json json = parse_json_object(text, place);
  const JsonValue root(json, place);
  if (!root.has(kSchemaKey)) root.fail(std::string("has no \"") + kSchemaKey + "\": not a tuning file");
  if (json[kSchemaKey] != kTuningSchema)
    root.at(kSchemaKey).fail_as("this version reads " + std::to_string(kTuningSchema));
  const std::size_t digits = digits_of(text, place);
  if (text.substr(digits, kDigits) != digest_of(text, digits))
    throw Error(place + ": its digest does not fit: it was changed after tsugi tune wrote it");
  return file_from(root);
}

TuningFile read_tuning_file(const std::string& path, FileLog* files) {
  const std::vector<std::uint8_t> bytes = read_file(path, {kMostBytes, {"tuning", files}, ""});
  return parse_tuning_file(std::string(bytes.begin(), bytes.end()), path);
}

std::string difference(const TuningFile& file, const KernelChoice& choice) {
  const auto differs = [](const char* what, const std::string& there, const std::string& here) {
    return "made for " + std::string(what) + " " + shown(there) + ", here is " + shown(here);
  };
  if (file.device != choice.device()) return differs("device", file.device, choice.device());
  if (file.driver != choice.driver()) return differs("driver", file.driver, choice.driver());
  constexpr std::size_t kShort = 12;
  if (file.kernels != choice.kernels())
    return differs("kernels", file.kernels.substr(0, kShort), choice.kernels().substr(0, kShort));
  return "";
}

std::string inc_rows(const TuningFile& file) {
  std::vector<std::string> lines;
  for (const TunedKernel& one : file.calls) {
    if (one.kernel == one.default_kernel) continue;
    std::string line = std::string("TSUGI_TUNED(") + name_of(one.call.op) + ", " + name_of(one.call.dtype);
    for (const auto field : kShapeFields) line += ", " + std::to_string(one.call.shape.*field);
    lines.push_back(line + ", \"" + one.kernel + "\")\n");
  }
  std::sort(lines.begin(), lines.end());
  lines.erase(std::unique(lines.begin(), lines.end()), lines.end());
  std::string text = "// Rows tuned for a shape by tsugi " + file.version + " on " + file.device + " (" + file.driver +
                     "), " + file.date + ".\n";
  for (const std::string& line : lines) text += line;
  return text;
}

}  // namespace tsugi
