// The check of text before a tree is built, types and ranges of values, and the messages about them.
#include "engine/core/json_value.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "engine/core/text.h"
#include "kernels/api/error.h"

namespace tsugi {
namespace {

constexpr std::size_t kMaxDepth = 64;
constexpr std::size_t kMaxValues = 2000000;  // a tree takes some 100 bytes for each, however short its text

/// Looks at depth and keys without building a tree or recursing.
class Checker : public Json::json_sax_t {
 public:
  explicit Checker(const std::string& place) : place_(place) {}

  bool null() override { return value("null"); }
  bool boolean(bool) override { return value("a truth value"); }
  bool number_integer(number_integer_t) override { return value("a number"); }
  bool number_unsigned(number_unsigned_t) override { return value("a number"); }
  bool number_float(number_float_t, const string_t&) override { return value("a number"); }
  bool string(string_t&) override { return value("a string"); }
  bool binary(binary_t&) override { return value("binary data"); }
  bool start_object(std::size_t) override { return open(); }
  bool end_object() override { return close(); }
  bool start_array(std::size_t) override {
    value("an array");
    return open();
  }
  bool end_array() override { return close(); }
  bool key(string_t& name) override {
    if (!keys_.back().insert(name).second) throw Error(place_ + ": key " + shown(name) + " stands twice in one object");
    return true;
  }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) override {
    throw Error(place_ + ": invalid JSON at byte " + std::to_string(position) + ", an object expected");
  }

 private:
  bool value(const char* what) {
    if (keys_.empty()) throw Error(place_ + ": is " + what + ", a JSON object expected");
    count();
    return true;
  }
  void count() {
    if (++values_ > kMaxValues) throw Error(place_ + ": JSON has more than " + std::to_string(kMaxValues) + " values");
  }
  bool open() {
    count();
    keys_.emplace_back();
    if (keys_.size() > kMaxDepth)
      throw Error(place_ + ": JSON is nested more than " + std::to_string(kMaxDepth) + " deep");
    return true;
  }
  bool close() {
    keys_.pop_back();
    return true;
  }

  const std::string& place_;
  std::size_t values_ = 0;
  std::vector<std::set<std::string>> keys_;  // of the open objects; arrays have an empty set
};

}  // namespace

void check_json_object(const std::string& text, const std::string& place) {
  Checker checker(place);
  Json::sax_parse(text, &checker);
}

Json parse_json_object(const std::string& text, const std::string& place) {
  check_json_object(text, place);  // before a tree is built: depth, and keys that stand twice
  return Json::parse(text);
}

std::vector<std::string> parse_json_texts(const std::string& text, const std::string& place) {
  const Json json = parse_json_object("{\"list\":" + text + "}", place);  // only what is a value fits in there
  if (json.size() != 1) throw Error(place + ": is " + clipped(text) + ", a list expected");
  return JsonValue(json.at("list"), place).texts();
}

std::string json_text(const Json& json, int indent) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

void JsonValue::fail(const std::string& message) const {
  throw Error(place_.empty() ? message : place_ + ": " + message);
}

void JsonValue::fail_as(const std::string& remark) const {
  fail((name_.empty() ? "" : "\"" + name_ + "\" ") + "is " + clipped(json_text(json_)) + ", " + remark);
}

bool JsonValue::has(const std::string& name) const {
  if (!json_.is_object()) refuse("an object");
  return json_.contains(name);
}

JsonValue JsonValue::at(const std::string& name) const {
  if (!has(name)) fail("has no \"" + name + "\"");
  return {json_.at(name), place_, name};
}

JsonValue JsonValue::as_object() const {
  if (!json_.is_object()) refuse("an object");
  return {json_, place_.empty() ? name_ : place_ + ": " + name_};
}

JsonValue JsonValue::object(const std::string& name) const { return at(name).as_object(); }

std::vector<JsonValue> JsonValue::objects(const std::string& name, std::size_t low, std::size_t high) const {
  std::vector<JsonValue> objects;
  for (const JsonValue& item : at(name).items(low, high)) objects.push_back(item.as_object());
  return objects;
}

void JsonValue::only(std::initializer_list<const char*> known) const {
  if (!json_.is_object()) refuse("an object");
  for (const auto& [name, value] : json_.items()) {
    const std::string& field = name;
    if (std::none_of(known.begin(), known.end(), [&](const char* one) { return field == one; }))
      fail("unknown field " + shown(field));
  }
}

bool JsonValue::truth() const {
  if (!json_.is_boolean()) refuse("true or false");
  return json_.get<bool>();
}

std::string JsonValue::text() const {
  if (!json_.is_string()) refuse("a text");
  return json_.get<std::string>();
}

double JsonValue::number(double low, double high) const {
  const double value = json_.is_number() ? json_.get<double>() : std::nan("");
  if (!(value >= low && value <= high)) {
    const bool any = low == std::numeric_limits<double>::lowest() && high == std::numeric_limits<double>::max();
    refuse(any ? "a number" : "a number from " + number_text(low) + " to " + number_text(high));
  }
  return value;
}

double JsonValue::number_or_null(double low, double high) const {
  return json_.is_null() ? std::nan("") : number(low, high);
}

std::int64_t JsonValue::signed_whole(std::int64_t low, std::int64_t high) const {
  const bool large = json_.is_number_unsigned() && json_.get<std::uint64_t>() > static_cast<std::uint64_t>(INT64_MAX);
  const bool fits = json_.is_number_integer() && !large;
  const std::int64_t value = fits ? json_.get<std::int64_t>() : 0;
  if (!fits || value < low || value > high) refuse_whole(low, high);
  return value;
}

std::uint64_t JsonValue::unsigned_whole(std::uint64_t low, std::uint64_t high) const {
  const bool fits = json_.is_number_unsigned() || (json_.is_number_integer() && json_.get<std::int64_t>() >= 0);
  const std::uint64_t value = fits ? json_.get<std::uint64_t>() : 0;
  if (!fits || value < low || value > high) refuse_whole(low, high);
  return value;
}

template <class Number>
void JsonValue::refuse_whole(Number low, Number high) const {
  refuse("a whole number from " + std::to_string(low) + " to " + std::to_string(high));
}

std::vector<JsonValue> JsonValue::items(std::size_t low, std::size_t high) const {
  if (!json_.is_array() || json_.size() < low || json_.size() > high)
    refuse(low == high ? "a list of " + std::to_string(low)
           : low == 0 && high == std::numeric_limits<std::size_t>::max()
               ? "a list"
               : "a list of " + std::to_string(low) + " to " + std::to_string(high));
  std::vector<JsonValue> values;
  values.reserve(json_.size());
  for (const Json& item : json_) values.emplace_back(item, place_, name_ + "[" + std::to_string(values.size()) + "]");
  return values;
}

std::vector<std::string> JsonValue::texts() const {
  std::vector<std::string> texts;
  for (const JsonValue& item : items()) texts.push_back(item.text());
  return texts;
}

}  // namespace tsugi
