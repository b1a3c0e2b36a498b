// A kernel's text: parameters, registers by scope, and statements with their operands.
#include <cstdlib>

#include "kernels/ptx/declarations.h"

namespace tsugi {
namespace ptx {
namespace {

std::vector<std::string> split_at_dots(const std::string& text) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == '.')
      parts.emplace_back();
    else
      parts.back() += c;
  }
  return parts;
}

class KernelReader {
 public:
  explicit KernelReader(Tokens& tokens) : tokens_(tokens) {}

  Source read() {
    while (!tokens_.skip(".entry")) tokens_.take();
    kernel_.name = tokens_.take();
    if (tokens_.skip("(")) read_parameters();
    while (!tokens_.is("{")) read_directive();
    read_scope();
    return std::move(kernel_);
  }

 private:
  void read_parameters() {
    std::uint32_t end = 0;
    while (!tokens_.skip(")")) {
      tokens_.expect(".param");
      Parameter parameter;
      std::uint32_t align = 0;
      if (tokens_.skip(".align")) align = static_cast<std::uint32_t>(tokens_.number());
      parameter.bytes = static_cast<std::uint32_t>(bits_of_type(tokens_, tokens_.take()) / 8);
      if (align == 0) align = parameter.bytes;
      if (tokens_.skip(".ptr")) tokens_.fail("parameters with .ptr are not modelled");
      parameter.name = tokens_.take();
      if (tokens_.skip("[")) {
        parameter.bytes *= static_cast<std::uint32_t>(tokens_.number());
        tokens_.expect("]");
      }
      parameter.offset = (end + align - 1) / align * align;
      end = parameter.offset + parameter.bytes;
      kernel_.parameters.push_back(parameter);
      tokens_.skip(",");
    }
    kernel_.parameter_bytes = end;
  }

  void read_directive() {
    if (tokens_.skip(".maxntid")) {
      kernel_.max_threads = static_cast<std::uint32_t>(tokens_.number());
      while (tokens_.skip(",")) kernel_.max_threads *= static_cast<std::uint32_t>(tokens_.number());
    } else if (tokens_.skip(".minnctapersm") || tokens_.skip(".maxnreg")) {
      tokens_.number();  // what the compiler allots; nothing to run
    } else {
      tokens_.fail("unknown directive " + tokens_.word() + " of kernel " + kernel_.name);
    }
  }

  void read_scope() {
    tokens_.expect("{");
    scopes_.emplace_back();
    while (!tokens_.skip("}")) {
      if (tokens_.done()) tokens_.fail("kernel " + kernel_.name + " does not end");
      if (tokens_.is("{"))
        read_scope();
      else if (tokens_.skip(".reg"))
        read_registers();
      else if (tokens_.is(".shared") || tokens_.is(".local"))
        kernel_.variables.push_back(read_variable(tokens_));
      else if (tokens_.skip(".pragma"))
        tokens_.take(), tokens_.expect(";");
      else
        read_statement();
    }
    scopes_.pop_back();
  }

  void add_register(const std::string& name, int bits) {
    scopes_.back()[name] = static_cast<int>(kernel_.register_bits.size());
    kernel_.register_bits.push_back(bits);
  }

  void read_registers() {
    const int bits = bits_of_type(tokens_, tokens_.take());
    do {
      const std::string name = tokens_.take();
      if (tokens_.skip("<")) {
        const std::uint64_t count = tokens_.number();
        if (count > 1000000) tokens_.fail("too many registers: " + std::to_string(count));
        for (std::uint64_t i = 0; i < count; ++i) add_register(name + std::to_string(i), bits);
        tokens_.expect(">");
      } else {
        add_register(name, bits);
      }
    } while (tokens_.skip(","));
    tokens_.expect(";");
  }

  int find_register(const std::string& name) const {
    for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope) {
      const auto found = scope->find(name);
      if (found != scope->end()) return found->second;
    }
    return -1;
  }

  void read_statement() {
    Statement statement;
    statement.line = tokens_.line();
    if (tokens_.skip("@")) {
      statement.guard_negated = tokens_.skip("!");
      statement.text = (statement.guard_negated ? "@!" : "@") + tokens_.word() + " ";
      statement.guard = find_register(tokens_.take());
      if (statement.guard < 0) tokens_.fail("unknown predicate " + statement.text);
    }
    const std::string first = tokens_.take();
    if (tokens_.skip(":")) {
      kernel_.labels[first] = static_cast<int>(kernel_.statements.size());
      return;
    }
    if (first.empty() || first[0] == '.') tokens_.fail("unknown directive " + first);
    statement.text += first;
    statement.opcode = split_at_dots(first);
    while (!tokens_.skip(";")) {
      if (tokens_.done()) tokens_.fail("an instruction does not end: " + statement.text);
      statement.text += statement.operands.empty() ? " " : ", ";
      statement.operands.push_back(read_operand(statement.text));
      tokens_.skip(",");
    }
    kernel_.statements.push_back(std::move(statement));
  }

  /// Takes a word that belongs to the statement's text.
  std::string take(std::string& text) {
    text += tokens_.word();
    return tokens_.take();
  }
  bool skip(const char* word, std::string& text) {
    if (!tokens_.is(word)) return false;
    take(text);
    return true;
  }

  Operand read_operand(std::string& text) {
    Operand operand;
    if (skip("{", text)) {
      operand.kind = Operand::Kind::list;
      while (!skip("}", text)) {
        operand.parts.push_back(read_operand(text));
        if (!tokens_.is("}")) {
          if (!tokens_.is(",")) tokens_.fail("a list does not end: " + text);
          take(text);
        }
      }
      return operand;
    }
    if (skip("[", text)) {
      operand.kind = Operand::Kind::address;
      operand.parts.push_back(read_atom(text));
      while (skip("+", text)) operand.bits += signed_number(text);
      if (!skip("]", text)) tokens_.fail("an address does not end: " + text);
      return operand;
    }
    operand = read_atom(text);
    if (skip("|", text)) {
      Operand both;
      both.kind = Operand::Kind::list;
      both.parts.push_back(operand);
      both.parts.push_back(read_atom(text));
      return both;
    }
    while (operand.kind == Operand::Kind::symbol && skip("+", text)) operand.bits += signed_number(text);
    return operand;
  }

  std::uint64_t signed_number(std::string& text) {
    const bool negative = skip("-", text);
    text += tokens_.word();
    const std::uint64_t value = tokens_.number();
    return negative ? 0 - value : value;
  }

  Operand read_atom(std::string& text) {
    Operand operand;
    operand.negated = skip("!", text);
    if (tokens_.is("-") || (!tokens_.done() && std::isdigit(static_cast<unsigned char>(tokens_.word()[0])))) {
      const std::string& word = tokens_.word();
      const bool hexadecimal = word.size() > 2 && word[0] == '0';
      operand.is_float = hexadecimal && word.size() == 10 && (word[1] == 'f' || word[1] == 'F');
      operand.is_double = hexadecimal && word.size() == 18 && (word[1] == 'd' || word[1] == 'D');
      operand.bits = operand.is_float || operand.is_double ? std::strtoull(take(text).c_str() + 2, nullptr, 16)
                                                           : signed_number(text);
      return operand;
    }
    operand.name = take(text);
    operand.index = find_register(operand.name);
    operand.kind = operand.name == "_"  ? Operand::Kind::sink
                   : operand.index >= 0 ? Operand::Kind::reg
                                        : Operand::Kind::symbol;
    return operand;
  }

  Tokens& tokens_;
  Source kernel_;
  std::vector<std::map<std::string, int>> scopes_;
};

}  // namespace

int bits_of_type(const Tokens& tokens, const std::string& type) {
  if (type == ".pred") return 1;
  if (type == ".f16x2") return 32;
  const int bits = type.size() > 2 && type[0] == '.' ? std::atoi(type.c_str() + 2) : 0;
  if (bits != 8 && bits != 16 && bits != 32 && bits != 64) tokens.fail("unknown type " + type);
  return bits;
}

Variable read_variable(Tokens& tokens) {
  Variable variable;
  const std::string space = tokens.take();
  variable.space = space == ".shared" ? Space::shared : space == ".local" ? Space::local : Space::global;
  if (tokens.skip(".align")) variable.align = static_cast<std::uint32_t>(tokens.number());
  const std::uint64_t element = static_cast<std::uint64_t>(bits_of_type(tokens, tokens.take()) / 8);
  if (variable.align < element) variable.align = static_cast<std::uint32_t>(element);
  variable.name = tokens.take();
  variable.bytes = element;
  while (tokens.skip("[")) {
    variable.bytes *= tokens.number();
    tokens.expect("]");
  }
  if (tokens.skip("=")) {
    const bool list = tokens.skip("{");
    do {
      const bool negative = tokens.skip("-");
      std::uint64_t value = tokens.literal();
      if (negative) value = 0 - value;
      for (std::uint64_t i = 0; i < element; ++i) variable.initial.push_back(static_cast<std::uint8_t>(value >> 8 * i));
    } while (tokens.skip(","));
    if (list) tokens.expect("}");
    if (variable.initial.size() > variable.bytes) tokens.fail(variable.name + " is given more values than it holds");
  }
  tokens.expect(";");
  return variable;
}

Source read_kernel(Tokens& tokens) { return KernelReader(tokens).read(); }

}  // namespace ptx
}  // namespace tsugi
