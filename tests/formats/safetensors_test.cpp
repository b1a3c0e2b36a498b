// The container, and what it refuses. Hostile files are made from a header text and a number of data bytes.
#include "engine/formats/safetensors.h"

#include "engine/core/atomic_file.h"
#include "engine/core/input_file.h"
#include "tests/formats/support.h"

using tsugi::decode_safetensors;
using tsugi::DType;
using tsugi::encode_safetensors;
using tsugi::NamedTensor;
using tsugi::SafetensorsFile;
using tsugi::test::contains;
using tsugi::test::error_of;

namespace {

std::vector<std::uint8_t> container(const std::string& header, std::size_t data_bytes) {
  std::vector<std::uint8_t> bytes;
  for (int shift = 0; shift < 64; shift += 8)
    bytes.push_back(static_cast<std::uint8_t>(static_cast<std::uint64_t>(header.size()) >> shift));
  bytes.insert(bytes.end(), header.begin(), header.end());
  bytes.resize(bytes.size() + data_bytes, 7);
  return bytes;
}

SafetensorsFile decode_file(const std::vector<std::uint8_t>& bytes) {
  return decode_safetensors(bytes.data(), bytes.size(), "file");
}

std::string refusal(const std::string& header, std::size_t data_bytes) {
  return error_of([&] { decode_file(container(header, data_bytes)); });
}

// A header with one tensor of these fields.
std::string tensor(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return R"({"t":{"dtype":)" + dtype + R"(,"shape":)" + shape + R"(,"data_offsets":)" + offsets + "}}";
}

}  // namespace

TEST_CASE("tensors and metadata of every type come back bit for bit and in order") {
  const auto seed = tsugi::test::fresh_seed();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  SafetensorsFile file;
  file.metadata = {{"key \"q\"", "line\nand \xe7\xb6\x99"}, {"empty", ""}};
  const std::vector<std::vector<std::int64_t>> shapes{{}, {0}, {1}, {3}, {2, 0, 4}, {5, 3}, {2, 3, 1, 7}};
  int count = 0;
  for (const DType dtype : {DType::u8, DType::f32, DType::i8, DType::bf16, DType::f16})
    for (const auto& shape : shapes) {
      NamedTensor item{"tensor" + std::to_string(count++), dtype, shape, {}};
      item.data.resize(static_cast<std::size_t>(tsugi::element_count(shape, "")) * tsugi::size_of(dtype));
      for (auto& byte : item.data) byte = static_cast<std::uint8_t>(random());
      file.tensors.push_back(std::move(item));
    }
  const auto bytes = encode_safetensors(file);
  const SafetensorsFile back = decode_file(bytes);
  CHECK(tsugi::test::same(back.tensors, file.tensors));
  CHECK(back.metadata == file.metadata);
  CHECK(encode_safetensors(back) == bytes);

  const tsugi::test::ScratchFolder folder;
  tsugi::write_file_atomically(folder / "file", bytes.data(), bytes.size());
  tsugi::InputFile written(folder / "file");
  CHECK(tsugi::test::same(tsugi::read_safetensors(written, "file").tensors, file.tensors));
}

TEST_CASE("the header is padded with spaces to 8 bytes, and data is aligned to its type") {
  for (std::size_t length = 1; length < 20; ++length) {
    SafetensorsFile file;
    file.tensors.push_back({"a", DType::u8, {3}, {1, 2, 3}});
    file.tensors.push_back({std::string(length, 'x'), DType::f32, {1}, {0, 0, 0x80, 0x3f}});
    const auto bytes = encode_safetensors(file);
    CHECK(bytes[0] % 8 == 0);
    CHECK(bytes.size() == 8u + bytes[0] + 7u);
    CHECK(bytes[8 + bytes[0]] == 0);  // float32 lies first
    CHECK(bytes.back() == 3);
    CHECK(tsugi::values_of(decode_file(bytes).tensors[1]) == std::vector<float>{1.0f});
  }
}

TEST_CASE("a file without tensors is a file") {
  CHECK(decode_file(container("{}", 0)).tensors.empty());
  CHECK(decode_file(container("{}     ", 0)).tensors.empty());
  CHECK(decode_file(encode_safetensors({})).metadata.empty());
}

TEST_CASE("a header length that the file does not have is refused with both values") {
  CHECK(contains(error_of([] { decode_file({}); }), "file: has 0 bytes, at least 8 expected"));
  CHECK(contains(error_of([] { decode_file({1, 2, 3}); }), "has 3 bytes, at least 8 expected"));
  auto bytes = container("{}", 0);
  bytes[0] = 3;
  CHECK(contains(error_of([&] { decode_file(bytes); }), "the header has 3 bytes, at most 2 expected"));
  for (std::size_t i = 0; i < 8; ++i) bytes[i] = 0xff;
  CHECK(
      contains(error_of([&] { decode_file(bytes); }), "the header has 18446744073709551615 bytes, at most 2 expected"));
  bytes[0] = 0xf8;  // 2^64 - 8: adding the 8 bytes before it would wrap around
  CHECK(contains(error_of([&] { decode_file(bytes); }), "18446744073709551608 bytes, at most 2"));
  std::vector<std::uint8_t> large(100000010, ' ');  // beyond the format's limit, but inside the file
  const std::uint8_t length[8] = {1, 0xe1, 0xf5, 5, 0, 0, 0, 0};
  std::copy(length, length + 8, large.begin());
  large[8] = '{';
  CHECK(contains(error_of([&] { decode_file(large); }), "the header has 100000001 bytes, at most 100000000 expected"));
}

TEST_CASE("a header that is not one JSON object of the right structure is refused") {
  for (const char* header : {"",
                             " {}",
                             "[]",
                             "1",
                             "x",
                             "{",
                             "{}}",
                             "{} x",
                             "{\"a\":1}",
                             "{\"a\":[]}",
                             "{\"a\":{}}",
                             "{\"a\":null}",
                             "{\"a\":\"b\"}",
                             "{\"a\":true}",
                             "{\"a\":1.5}",
                             "{\"\xff\":{}}",
                             "{\"__metadata__\":{\"a\":1}}",
                             "{\"__metadata__\":{\"a\":{}}}",
                             "{\"__metadata__\":{\"a\":[\"b\"]}}",
                             "{\"__metadata__\":[]}",
                             "{\"__metadata__\":\"a\"}"}) {
    CAPTURE(header);
    CHECK(contains(refusal(header, 0), "file: "));
  }
  CHECK(contains(refusal(tensor("\"U8\"", "[[1]]", "[0,1]"), 1), "tensor \"t\" has an array"));
  CHECK(contains(refusal(tensor("\"U8\"", "[-1]", "[0,1]"), 1), "number -1"));
  CHECK(contains(refusal(tensor("\"U8\"", "[1.0]", "[0,1]"), 1), "number \"1.0\""));
  CHECK(contains(refusal(tensor("\"U8\"", "1", "[0,1]"), 1), "for \"shape\", an array of integers expected"));
  CHECK(contains(refusal(tensor("\"U8\"", "[1]", "[0]"), 1), "has 1 data_offsets, 2 expected"));
  CHECK(contains(refusal(tensor("\"U8\"", "[1]", "[0,1,2]"), 1), "more than 2 data_offsets"));
  CHECK(contains(refusal(R"({"t":{"dtype":"U8","shape":[1]}})", 1), "has no data_offsets"));
  CHECK(contains(refusal(R"({"t":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"x":1}})", 1), "field \"x\""));
  CHECK(contains(refusal(R"({"":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 1), "empty name"));
  const std::string deep(50000, '[');
  CHECK(contains(refusal("{\"a\":" + deep, 0), "an array"));
}

TEST_CASE("duplicate names are refused") {
  const std::string one = R"({"dtype":"U8","shape":[1],"data_offsets":[0,1]})";
  CHECK(contains(refusal("{\"t\":" + one + ",\"t\":" + one + "}", 1), "tensor \"t\" stands twice"));
  CHECK(contains(refusal(R"({"__metadata__":{"a":"1","a":"2"}})", 0), "metadata \"a\" stands twice"));
  CHECK(contains(refusal(R"({"__metadata__":{},"__metadata__":{}})", 0), "stands twice"));
  CHECK(contains(refusal(R"({"t":{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 1), "two fields"));
  SafetensorsFile file;
  file.tensors = {{"a", DType::u8, {1}, {1}}, {"a", DType::u8, {1}, {1}}};
  CHECK(contains(error_of([&] { encode_safetensors(file); }), "two tensors are named \"a\""));
}

TEST_CASE("an unknown type is refused by name") {
  CHECK(contains(refusal(tensor("\"F64\"", "[1]", "[0,8]"), 8),
                 "file: tensor \"t\" has dtype \"F64\", one of F32 F16 BF16 I8 U8 expected"));
  CHECK(contains(refusal(tensor("\"f32\"", "[1]", "[0,4]"), 4), "dtype \"f32\""));
  CHECK(contains(refusal(tensor("7", "[1]", "[0,4]"), 4), "a string expected"));
}

TEST_CASE("offsets out of range, overlapping or with holes are refused with both values") {
  CHECK(contains(refusal(tensor("\"U8\"", "[5]", "[0,5]"), 4), "bytes 0 to 5, the file has 4 bytes of data"));
  CHECK(contains(refusal(tensor("\"U8\"", "[2]", "[2,0]"), 4), "bytes 2 to 0"));
  CHECK(contains(refusal(tensor("\"U8\"", "[4]", "[0,18446744073709551615]"), 4), "0 to 18446744073709551615"));
  CHECK(contains(refusal(tensor("\"U8\"", "[4]", "[18446744073709551612,0]"), 4), "18446744073709551612 to 0"));
  CHECK(contains(refusal(tensor("\"U8\"", "[4]", "[0,18446744073709551616]"), 4), "18446744073709551616"));
  CHECK(contains(refusal(tensor("\"U8\"", "[3]", "[1,4]"), 4), "begin at byte 0 (it leaves a hole)"));
  CHECK(contains(refusal(tensor("\"U8\"", "[3]", "[0,3]"), 4), "tensors end at byte 3 of the data, the file has 4"));
  const std::string two = R"({"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},)"
                          R"("b":{"dtype":"U8","shape":[3],"data_offsets":[%]}})";
  const auto second = [&](const std::string& offsets) { return std::string(two).replace(two.find('%'), 1, offsets); };
  CHECK(contains(refusal(second("2,5"), 5),
                 "tensor \"b\" lies at bytes 2 to 5, expected to begin at byte 3 (it overlaps)"));
  CHECK(contains(refusal(second("0,3"), 3), "it overlaps"));
  CHECK(contains(refusal(second("4,7"), 7), "it leaves a hole"));
  CHECK(decode_file(container(second("3,6"), 6)).tensors.size() == 2);
}

TEST_CASE("shapes that overflow or do not match their bytes are refused with both values") {
  CHECK(contains(refusal(tensor("\"F32\"", "[2]", "[0,4]"), 4), "has 4 bytes, its shape has 2 elements of 4 bytes"));
  CHECK(contains(refusal(tensor("\"F16\"", "[3]", "[0,5]"), 5), "has 5 bytes, its shape has 3 elements of 2 bytes"));
  CHECK(contains(refusal(tensor("\"F32\"", "[]", "[0,0]"), 0), "has 0 bytes, its shape has 1 elements"));
  CHECK(contains(refusal(tensor("\"U8\"", "[4294967296,4294967296]", "[0,0]"), 0), "more than 2^63 elements"));
  CHECK(contains(refusal(tensor("\"F32\"", "[4611686018427387904]", "[0,0]"), 0), "has 0 bytes"));  // 2^62 * 4 = 2^64
  CHECK(contains(refusal(tensor("\"U8\"", "[9223372036854775808]", "[0,0]"), 0), "extent 9223372036854775808"));
  CHECK(contains(refusal(tensor("\"U8\"", "[18446744073709551616]", "[0,0]"), 0), "18446744073709551616"));
}

TEST_CASE("tensors that do not match their shape, names that are not UTF-8, and wrong types are not written or read") {
  SafetensorsFile file;
  file.tensors = {{"a", DType::f32, {2}, {1, 2, 3, 4}}};
  CHECK(contains(error_of([&] { encode_safetensors(file); }), "has 4 bytes, its shape has 2 elements of 4 bytes"));
  file.tensors = {{"a", DType::u8, {-1}, {}}};
  CHECK(contains(error_of([&] { encode_safetensors(file); }), "extent -1"));
  file.tensors = {{"", DType::u8, {}, {1}}};
  CHECK(contains(error_of([&] { encode_safetensors(file); }), "a name of its own expected"));
  file.tensors = {{"\xff", DType::u8, {}, {1}}};
  CHECK(contains(error_of([&] { encode_safetensors(file); }), "UTF-8"));
  CHECK(contains(error_of([] { tsugi::values_of({"a", DType::i8, {1}, {1}}); }), "float32 expected"));
}

TEST_CASE("messages stay short and printable whatever a file calls its tensors") {
  const std::string name = std::string(100000, 'x') + "\\n\\u0007";
  const std::string message = refusal("{\"" + name + "\":1}", 0);
  CHECK(message.size() < 300);
  CHECK(contains(refusal("{\"a\\u001bb\":{}}", 0), "a\\x1bb"));
}

TEST_CASE("a tensor is found by its name") {
  const std::vector<NamedTensor> tensors{{"a", DType::u8, {}, {1}}, {"b", DType::u8, {}, {2}}};
  CHECK(tsugi::find_tensor(tensors, "b") == &tensors[1]);
  CHECK(tsugi::find_tensor(tensors, "c") == nullptr);
}
