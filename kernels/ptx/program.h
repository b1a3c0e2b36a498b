// PTX text taken apart: a module's variables and kernels, a kernel's parameters, registers and statements. Nothing is
// known here of what an instruction does. Source: PTX ISA 9.0, chapters 4 (syntax), 5 (state spaces) and 11
// (directives).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace tsugi {
namespace ptx {

/// What an instruction is given.
struct Operand {
  enum class Kind : std::uint8_t {
    number,   ///< bits: the literal, of 64 bits where it is an integer
    reg,      ///< index: of Kernel::register_bits
    symbol,   ///< name, and bits behind it: a variable, a parameter, a label or a special register
    address,  ///< parts[0] (register, symbol or number) and bits behind it: [a+16]
    list,     ///< parts: {a, b} and a|b
    sink,     ///< _: the result is not wanted
  };
  Kind kind = Kind::number;
  bool negated = false;                      ///< !p
  bool is_double = false, is_float = false;  ///< a literal 0d... or 0f...
  int index = -1;
  std::uint64_t bits = 0;
  std::string name;
  std::vector<Operand> parts;
};

/// One instruction. opcode: "ld.global.v4.f32" as {"ld", "global", "v4", "f32"}.
struct Statement {
  int line = 0;
  int guard = -1;  ///< the predicate register of @p, or -1
  bool guard_negated = false;
  std::vector<std::string> opcode;
  std::vector<Operand> operands;
  std::string text;  ///< as it stood, for messages

  bool has(const char* modifier) const {
    for (const std::string& part : opcode)
      if (part == modifier) return true;
    return false;
  }
};

enum class Space : std::uint8_t { generic, global, shared, local, param };

struct Variable {
  Space space = Space::global;
  std::string name;
  std::uint32_t align = 1;
  std::uint64_t bytes = 0;
  std::vector<std::uint8_t> initial;  ///< empty: zeros
};

struct Parameter {
  std::string name;
  std::uint32_t offset = 0, bytes = 0;
};

/// A kernel as it stands in the text.
struct Source {
  std::string name;
  std::string module;
  std::vector<Parameter> parameters;
  std::uint32_t parameter_bytes = 0;
  std::uint32_t max_threads = 0;    ///< .maxntid, all three multiplied; 0: none is given
  std::vector<int> register_bits;   ///< by register: 1 (a predicate), 16, 32 or 64
  std::vector<Variable> variables;  ///< its own, and the module's shared ones
  std::vector<Statement> statements;
  std::map<std::string, int> labels;  ///< where they stand among the statements
};

/// A module, its kernels not yet taken apart.
class Module {
 public:
  /// Throws Error that names the line of what it does not know.
  Module(std::string name, std::string text);

  const std::string& name() const { return name_; }
  const std::string& target() const { return target_; }  ///< "sm_75"
  const std::vector<Variable>& globals() const { return globals_; }
  std::vector<std::string> kernels() const;
  bool has(const std::string& kernel) const { return entries_.count(kernel) != 0; }
  /// Throws Error where there is no such kernel, or its text is not understood.
  Source kernel(const std::string& kernel) const;

 private:
  struct Range {
    std::size_t begin, end;
    int line;
  };
  std::string name_, text_, target_;
  std::vector<Variable> globals_, shared_;
  std::map<std::string, Range> entries_;
};

}  // namespace ptx
}  // namespace tsugi
