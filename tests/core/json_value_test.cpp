// The reader of JSON from files: what it takes, and what it says of what it refuses.
#include "engine/core/json_value.h"

#include <cmath>
#include <limits>

#include "engine/core/text.h"
#include "tests/engine/support.h"

namespace tsugi::test {
namespace {

TEST_CASE("values are read by name, with their types and ranges") {
  const Json json = parse_json_object(
      R"({"word": "a", "yes": true, "n": -3, "large": 18446744073709551615, "x": 0.5, "none": null,
          "inner": {"deep": 1}, "list": [1, 2], "objects": [{"id": 7}], "texts": ["b", "c"]})",
      "f.json");
  const JsonValue root(json, "f.json");
  CHECK(root.has("word"));
  CHECK_FALSE(root.has("wort"));
  CHECK(root.at("word").text() == "a");
  CHECK(root.at("yes").truth());
  CHECK(root.at("n").whole<int>() == -3);
  CHECK(root.at("large").whole<std::uint64_t>() == UINT64_MAX);
  CHECK(root.at("x").number(0.5, 0.5) == 0.5);
  CHECK(std::isnan(root.at("none").number_or_null()));
  CHECK(root.object("inner").at("deep").whole<std::uint32_t>(1, 1) == 1);
  CHECK(root.at("list").items(2, 2)[1].whole<int>() == 2);
  CHECK(root.objects("objects")[0].at("id").number() == 7.0);
  CHECK(root.at("texts").texts() == std::vector<std::string>{"b", "c"});
  CHECK(parse_json_texts(R"(["b"])", "f.json") == std::vector<std::string>{"b"});
  CHECK_NOTHROW(JsonValue(json["inner"], "f.json").only({"deep", "more"}));
}

TEST_CASE("what is refused is named by place, with its value and what was expected") {
  const Json json = parse_json_object(
      R"({"word": 5, "yes": 1, "n": 2.5, "small": -1, "large": 18446744073709551615, "x": 1.5, "nan": "nan",
          "inner": [], "list": [1, "two"], "objects": [3], "evil": "\u001b[2J"})",
      "f.json");
  const JsonValue root(json, "f.json");
  const auto said = [&](const auto& read) { return error_of([&] { (void)read(); }); };
  CHECK(said([&] { return root.at("word").text(); }) == "f.json: \"word\" is 5, a text expected");
  CHECK(said([&] { return root.at("yes").truth(); }) == "f.json: \"yes\" is 1, true or false expected");
  CHECK(said([&] { return root.at("n").whole<int>(0, 9); }) ==
        "f.json: \"n\" is 2.5, a whole number from 0 to 9 expected");
  CHECK(said([&] { return root.at("small").whole<std::uint32_t>(); }) ==
        "f.json: \"small\" is -1, a whole number from 0 to 4294967295 expected");
  CHECK(said([&] { return root.at("large").whole<std::int64_t>(); }) ==
        "f.json: \"large\" is 18446744073709551615, a whole number from -9223372036854775808 to 9223372036854775807 "
        "expected");
  CHECK(said([&] { return root.at("x").number(0.0, 1.0); }) == "f.json: \"x\" is 1.5, a number from 0 to 1 expected");
  CHECK(said([&] { return root.at("nan").number(); }) == "f.json: \"nan\" is \"nan\", a number expected");
  CHECK(said([&] { return root.at("none").text(); }) == "f.json: has no \"none\"");
  CHECK(said([&] { return root.object("inner"); }) == "f.json: \"inner\" is [], an object expected");
  CHECK(said([&] { return root.at("list").texts(); }) == "f.json: \"list[0]\" is 1, a text expected");
  CHECK(said([&] { return root.at("list").items(3, 3); }) == "f.json: \"list\" is [1,\"two\"], a list of 3 expected");
  CHECK(said([&] { return root.at("list").items(3, 9); }) ==
        "f.json: \"list\" is [1,\"two\"], a list of 3 to 9 expected");
  CHECK(said([&] { return root.objects("objects"); }) == "f.json: \"objects[0]\" is 3, an object expected");
  CHECK(said([&] { return root.at("evil").truth(); }).find('\x1b') == std::string::npos);
  CHECK(said([&] { return JsonValue(json["list"], "f.json").has("a"); }) ==
        "f.json: is [1,\"two\"], an object expected");
  expect_parts(error_of([&] { root.only({"word", "yes"}); }), {"f.json: unknown field \"n\""});
  expect_parts(error_of([] { parse_json_texts(R"([], "more": [])", "f.json"); }), {"f.json", "a list expected"});
  expect_parts(error_of([] { parse_json_texts(R"({"a": 1})", "f.json"); }), {"f.json", "a list expected"});
  for (const char* text : {"", "[]", "{", "3", R"({"a": 1, "a": 2})"})
    expect_parts(error_of([&] { parse_json_object(text, "f.json"); }), {"f.json"});
  const Json long_text = {{"a", std::string(1000, 'x')}};
  CHECK(said([&] { return JsonValue(long_text, "f.json").at("a").truth(); }).size() < 150);
}

TEST_CASE("numbers are written as short as they read back") {
  for (const auto& [value, text] : {std::pair{0.1, "0.1"},
                                    {1e6, "1000000"},
                                    {-2.0, "-2"},
                                    {1e-30, "1e-30"},
                                    {0.999999, "0.999999"},
                                    {-0.0, "0"},
                                    {1e20, "1e+20"}})
    CHECK(number_text(value) == text);
  CHECK(number_text(0.1f) == "0.1");
  CHECK(number_text(0.1 + 0.2) == "0.30000000000000004");
  CHECK(number_text(std::nan("")) == "nan");
  CHECK(number_text(std::numeric_limits<double>::infinity()) == "inf");
}

}  // namespace
}  // namespace tsugi::test
