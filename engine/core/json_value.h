// JSON that comes from files and is not trusted: values by name, their types and ranges checked, and every error
// saying where the value stands, what it is and what was expected. For .cpp files: what is installed names no JSON
// library, and so does not have this header.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <type_traits>
#include <vector>

namespace tsugi {

using Json = nlohmann::ordered_json;

/// Throws unless `text` is one JSON object, nested at most 64 deep, of at most 2,000,000 values, without duplicate
/// keys. `place` opens the message.
void check_json_object(const std::string& text, const std::string& place);

/// The object, or the list of texts, that `text` is. Throws as check_json_object.
Json parse_json_object(const std::string& text, const std::string& place);
std::vector<std::string> parse_json_texts(const std::string& text, const std::string& place);

/// JSON as text: on one line, or its parts indented by so many spaces. What is not UTF-8, as names of files need not
/// be, is replaced.
std::string json_text(const Json& json, int indent = -1);

/// A number for JSON: null when it is not finite.
Json number(double value);

/// A value, and where it stands. Refers to the JSON that it was made of.
class JsonValue {
 public:
  /// place: what opens messages: a file, and the object in it ("m.json: layer 3"); "" = the caller's own opens them.
  /// name: of the value in there; "" when the place is its own.
  JsonValue(const Json& json, std::string place, std::string name = "")
      : json_(json), place_(std::move(place)), name_(std::move(name)) {}
  JsonValue(Json&&, std::string, std::string = "") = delete;  // it would be gone before it is read

  const Json& json() const { return json_; }
  const std::string& place() const { return place_; }
  const std::string& name() const { return name_; }

  /// Throws Error: "PLACE: message".
  [[noreturn]] void fail(const std::string& message) const;
  /// Throws Error: "PLACE: NAME is VALUE, remark", and "PLACE: NAME is VALUE, WHAT expected".
  [[noreturn]] void fail_as(const std::string& remark) const;
  [[noreturn]] void refuse(const std::string& what) const { fail_as(what + " expected"); }

  /// Throws unless this is an object; of one, the value called `name`. at() throws where there is none.
  bool has(const std::string& name) const;
  JsonValue at(const std::string& name) const;
  /// The object called `name`, whose own values are read at "PLACE: name".
  JsonValue object(const std::string& name) const;
  /// The objects of the list called `name`, whose own values are read at "PLACE: name[i]".
  std::vector<JsonValue> objects(const std::string& name, std::size_t low = 0,
                                 std::size_t high = std::numeric_limits<std::size_t>::max()) const;
  /// Throws where this object has a value that is not `known`.
  void only(std::initializer_list<const char*> known) const;

  /// Each throws on another type, and outside of `low` to `high`, both included.
  bool truth() const;
  std::string text() const;
  double number(double low = std::numeric_limits<double>::lowest(),
                double high = std::numeric_limits<double>::max()) const;
  double number_or_null(double low = std::numeric_limits<double>::lowest(),
                        double high = std::numeric_limits<double>::max()) const;  ///< null = NaN
  template <class T>
  T whole(T low = std::numeric_limits<T>::min(), T high = std::numeric_limits<T>::max()) const {
    if constexpr (std::is_signed_v<T>)
      return static_cast<T>(signed_whole(low, high));
    else
      return static_cast<T>(unsigned_whole(low, high));
  }
  /// The items of a list of `low` to `high` values.
  std::vector<JsonValue> items(std::size_t low = 0, std::size_t high = std::numeric_limits<std::size_t>::max()) const;
  /// A list of texts.
  std::vector<std::string> texts() const;

 private:
  JsonValue as_object() const;
  std::int64_t signed_whole(std::int64_t low, std::int64_t high) const;
  std::uint64_t unsigned_whole(std::uint64_t low, std::uint64_t high) const;
  template <class Number>
  [[noreturn]] void refuse_whole(Number low, Number high) const;

  const Json& json_;
  std::string place_, name_;
};

}  // namespace tsugi
