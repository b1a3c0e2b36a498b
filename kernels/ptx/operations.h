// The table of instructions: what runs a statement, and how wide its operands are. A row a name; each family of them is
// a file.
#pragma once

#include <string>
#include <vector>

#include "kernels/ptx/lanes.h"

namespace tsugi {
namespace ptx {

/// to, from: a letter an operand, lists taken apart: '4' a register of up to 32 bits, '8' one of 64, 'p' a predicate,
/// 'a' an address.
struct Operation {
  Execute execute = nullptr;
  std::string to, from;
  Control control = Control::none;
  Space space = Space::generic;
  std::uint8_t count = 1;
};

/// What a row sees of its statement: the types are those that the opcode names, first to last.
struct Form {
  const Statement& statement;
  std::vector<std::string> types;
  const std::vector<int>& register_bits;

  bool has(const char* modifier) const { return statement.has(modifier); }
  const std::string& type() const { return types.back(); }
  /// Whether the n-th register of the operand is one of 64 bits.
  bool wide_register(const Operand& operand) const;
};

/// modifiers: what may stand behind the name beside types; anything else is refused. select returns an Operation
/// without `execute` where the form is not modelled.
struct Row {
  const char* name;
  const char* modifiers;
  Operation (*select)(const Form& form);
};

const std::vector<Row>& arithmetic_rows();
const std::vector<Row>& half_rows();
const std::vector<Row>& bit_rows();
const std::vector<Row>& predicate_rows();
const std::vector<Row>& convert_rows();
const std::vector<Row>& memory_rows();
const std::vector<Row>& warp_rows();
const std::vector<Row>& control_rows();

/// '4' or '8': of a type as "f32".
inline char width(const std::string& type) { return type.size() > 2 && type.compare(1, 2, "64") == 0 ? '8' : '4'; }

/// `from` operands of the type's own width, and a result of it.
inline Operation uniform(Execute execute, const std::string& type, int from) {
  return {execute, std::string(1, width(type)), std::string(static_cast<std::size_t>(from), width(type))};
}

/// Calls f with a value of the integer type; a null pointer where it is none.
template <typename F>
Execute with_integer(const std::string& type, F f) {
  if (type == "u32" || type == "b32") return f(std::uint32_t{});
  if (type == "s32") return f(std::int32_t{});
  if (type == "u64" || type == "b64") return f(std::uint64_t{});
  if (type == "s64") return f(std::int64_t{});
  if (type == "u16" || type == "b16") return f(std::uint16_t{});
  if (type == "s16") return f(std::int16_t{});
  return nullptr;
}

/// The same for the types of numbers that a lane computes with, f16 not among them.
template <typename F>
Execute with_number(const std::string& type, F f) {
  if (type == "f32") return f(float{});
  if (type == "f64") return f(double{});
  return with_integer(type, f);
}

}  // namespace ptx
}  // namespace tsugi
