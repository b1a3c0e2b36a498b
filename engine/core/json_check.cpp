// A SAX pass over JSON text: depth and duplicate keys are checked without building a tree or recursing.
#include "engine/core/json_check.h"

#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "engine/core/text.h"
#include "kernels/api/error.h"

namespace tsugi {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxDepth = 64;
constexpr std::size_t kMaxValues = 2000000;  // a tree takes some 100 bytes for each, however short its text

class Checker : public json::json_sax_t {
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
  json::sax_parse(text, &checker);
}

}  // namespace tsugi
