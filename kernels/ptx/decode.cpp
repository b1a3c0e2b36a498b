// From a kernel's text to what runs: the row of each statement, and a place for each operand.
#include <algorithm>
#include <sstream>

#include "kernels/ptx/memory.h"
#include "kernels/ptx/operations.h"
#include "kernels/ptx/places.h"

namespace tsugi {
namespace ptx {
namespace {

const std::pair<const char*, Special> kSpecials[] = {
    {"%tid.x", Special::tid_x},       {"%tid.y", Special::tid_y},       {"%tid.z", Special::tid_z},
    {"%ntid.x", Special::ntid_x},     {"%ntid.y", Special::ntid_y},     {"%ntid.z", Special::ntid_z},
    {"%ctaid.x", Special::ctaid_x},   {"%ctaid.y", Special::ctaid_y},   {"%ctaid.z", Special::ctaid_z},
    {"%nctaid.x", Special::nctaid_x}, {"%nctaid.y", Special::nctaid_y}, {"%nctaid.z", Special::nctaid_z},
    {"%laneid", Special::laneid}};

bool is_type(const std::string& part) {
  if (part == "pred" || part == "f16x2") return true;
  const std::string bits = part.empty() ? "" : part.substr(1);
  return !bits.empty() && std::string("usbf").find(part[0]) != std::string::npos &&
         (bits == "8" || bits == "16" || bits == "32" || bits == "64");
}

bool lists(const std::string& words, const std::string& word) {
  std::istringstream stream(words);
  for (std::string known; stream >> known;)
    if (known == word) return true;
  return false;
}

/// The rows to look in: some names are those of several instructions, told apart by their type.
std::vector<const std::vector<Row>*> rows_for(const std::string& type) {
  if (type == "pred") return {&predicate_rows(), &warp_rows()};
  if (type == "f16" || type == "f16x2") {
    return {&half_rows(), &predicate_rows(), &convert_rows(), &memory_rows(), &bit_rows(), &arithmetic_rows()};
  }
  return {&arithmetic_rows(), &bit_rows(),  &predicate_rows(), &convert_rows(),
          &memory_rows(),     &warp_rows(), &control_rows()};
}

class Decoder {
 public:
  Decoder(Kernel& kernel, const Module& module, const std::vector<std::uint64_t>& globals)
      : kernel_(kernel), places_(place_registers(kernel.source)) {
    for (std::size_t g = 0; g < globals.size(); ++g) symbols_[module.globals()[g].name] = globals[g];
    for (const Parameter& parameter : kernel.source.parameters) symbols_[parameter.name] = parameter.offset;
    for (const Variable& variable : kernel.source.variables) {
      if (variable.space == Space::local) place_variable(variable, kernel.local_bytes);
    }
    kernel_.local_bytes = (kernel_.local_bytes + 15) / 16 * 16;
  }

  void run() {
    for (const Statement& statement : kernel_.source.statements) {
      statement_ = &statement;
      kernel_.code.push_back(decode());
    }
    Instruction end;
    end.execute = [](Warp&, const Instruction&) {};
    end.control = Control::exit;
    kernel_.code.push_back(end);
    kernel_.register_bytes = places_.end;
    kernel_.visits.assign(kernel_.code.size(), 0);
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw Error("ptx: " + kernel_.source.module + " line " + std::to_string(statement_->line) + ": " + what + ": " +
                statement_->text);
  }

  Operation find_operation() const {
    Form form{*statement_, {}, kernel_.source.register_bits};
    for (const std::string& part : statement_->opcode)
      if (is_type(part)) form.types.push_back(part);
    if (form.types.empty()) form.types.push_back("b32");
    if (statement_->opcode[0] == "atom" || statement_->opcode[0] == "red") {
      fail("atomics are refused: their order is none that a result could be repeated in");
    }
    for (const std::vector<Row>* rows : rows_for(form.type())) {
      for (const Row& row : *rows) {
        if (statement_->opcode[0] != row.name) continue;
        const bool known =
            std::all_of(statement_->opcode.begin() + 1, statement_->opcode.end(),
                        [&](const std::string& part) { return is_type(part) || lists(row.modifiers, part); });
        const Operation operation = known ? row.select(form) : Operation{};
        if (operation.execute != nullptr) return operation;
      }
    }
    fail("this instruction is not modelled");
  }

  Instruction decode() {
    const Operation operation = find_operation();
    Instruction made;
    made.execute = operation.execute;
    made.control = operation.control;
    made.space = operation.space;
    made.count = operation.count;
    if (statement_->guard >= 0) {
      made.guarded = true;
      made.guard_negated = statement_->guard_negated;
      made.guard = place_of_register(statement_->guard);
    }
    if (operation.control == Control::branch) {
      const auto label = kernel_.source.labels.find(statement_->operands.empty() ? "" : statement_->operands[0].name);
      if (label == kernel_.source.labels.end()) fail("a branch to an unknown label");
      made.target = label->second;
      return made;
    }
    std::vector<const Operand*> to, from;
    for (std::size_t n = 0; n < statement_->operands.size(); ++n) {
      flatten(statement_->operands[n], n == 0 && writes_first_operand(*statement_) ? to : from);
    }
    const bool mask = !operation.from.empty() && operation.from.back() == 'M';
    const std::size_t named = operation.from.size() - (mask ? 1 : 0);
    if (to.size() != operation.to.size() || from.size() != named) fail("operands that are not modelled");
    for (std::size_t n = 0; n < to.size(); ++n) made.to[n] = place_of_result(*to[n], operation.to[n]);
    for (std::size_t n = 0; n < named; ++n) made.from[n] = place_of_operand(*from[n], operation.from[n], made);
    if (mask) made.from[named] = constant(kAllLanes, false);
    if (operation.control == Control::together) made.target = static_cast<int>(operation.from.size()) - 1;
    return made;
  }

  static void flatten(const Operand& operand, std::vector<const Operand*>& flat) {
    if (operand.kind != Operand::Kind::list)
      flat.push_back(&operand);
    else
      for (const Operand& part : operand.parts) flatten(part, flat);
  }

  std::uint32_t place_of_register(int index) const { return places_.of_register[static_cast<std::size_t>(index)]; }

  bool fits(const Operand& operand, char letter) const {
    const int bits = kernel_.source.register_bits[static_cast<std::size_t>(operand.index)];
    return letter == '8' ? bits == 64 : letter == 'p' ? bits == 1 : bits == 16 || bits == 32 || bits == 8;
  }

  std::uint32_t add_place(std::uint32_t bytes) {
    const std::uint32_t place = places_.end;
    places_.end += bytes;
    return place;
  }

  std::uint32_t place_of_result(const Operand& operand, char letter) {
    if (operand.kind == Operand::Kind::sink) return add_place(8 * kWarp);
    if (operand.kind != Operand::Kind::reg || !fits(operand, letter)) fail("a result of another width");
    return place_of_register(operand.index);
  }

  std::uint32_t constant(std::uint64_t value, bool wide) {
    const auto key = std::make_pair(value, wide);
    const auto known = constants_.find(key);
    if (known != constants_.end()) return known->second;
    const std::uint32_t place = add_place((wide ? 8 : 4) * kWarp);
    kernel_.constants.push_back({place, wide, value});
    return constants_[key] = place;
  }

  void place_variable(const Variable& variable, std::uint32_t& end) {
    if (variable.bytes > (1u << 24))
      throw Error("ptx: variable " + variable.name + " has " + std::to_string(variable.bytes) + " bytes");
    end = (end + variable.align - 1) / variable.align * variable.align;
    symbols_[variable.name] = end;
    end += static_cast<std::uint32_t>(variable.bytes);
  }

  /// The address of a symbol within its own space. Shared variables are placed when they are first named: a module
  /// lists those of all its kernels.
  std::uint64_t address_of(const std::string& name) {
    if (symbols_.count(name) == 0) {
      for (const Variable& variable : kernel_.source.variables) {
        if (variable.space == Space::shared && variable.name == name) place_variable(variable, kernel_.shared_bytes);
      }
    }
    const auto found = symbols_.find(name);
    if (found == symbols_.end()) fail("unknown name " + name);
    return found->second;
  }

  std::uint32_t special(const std::string& name) {
    for (const auto& known : kSpecials) {
      if (name != known.first) continue;
      for (const SpecialRegister& there : kernel_.specials)
        if (there.which == known.second) return there.place;
      kernel_.specials.push_back({add_place(4 * kWarp), known.second});
      return kernel_.specials.back().place;
    }
    fail("special register " + name + " is not modelled");
  }

  std::uint32_t place_of_operand(const Operand& operand, char letter, Instruction& made) {
    if (letter == 'a') return place_of_address(operand, made);
    if (operand.kind == Operand::Kind::reg) {
      if (!fits(operand, letter)) fail("operand " + operand.name + " of another width");
      made.negated = operand.negated;
      return place_of_register(operand.index);
    }
    if (operand.kind == Operand::Kind::number) {
      if (operand.is_double ? letter != '8' : operand.is_float && letter != '4') fail("a literal of another type");
      if (letter == 'p') return constant(operand.bits != 0 ? kAllLanes : 0, false);
      return constant(letter == '8' ? operand.bits : static_cast<std::uint32_t>(operand.bits), letter == '8');
    }
    if (operand.kind != Operand::Kind::symbol) fail("an operand that is not modelled");
    if (operand.name[0] == '%') return special(operand.name);
    return constant(address_of(operand.name) + operand.bits, letter == '8');
  }

  std::uint32_t place_of_address(const Operand& operand, Instruction& made) {
    if (operand.kind != Operand::Kind::address) fail("an address was expected");
    const Operand& base = operand.parts[0];
    made.immediate = static_cast<std::int64_t>(operand.bits);
    if (base.kind == Operand::Kind::reg) {
      made.wide_address = fits(base, '8');
      return place_of_register(base.index);
    }
    made.wide_address = true;
    return constant(base.kind == Operand::Kind::symbol ? address_of(base.name) : base.bits, true);
  }

  Kernel& kernel_;
  Places places_;
  const Statement* statement_ = nullptr;
  std::map<std::string, std::uint64_t> symbols_;
  std::map<std::pair<std::uint64_t, bool>, std::uint32_t> constants_;
};

}  // namespace

bool Form::wide_register(const Operand& operand) const {
  const Operand& first = operand.kind == Operand::Kind::list && !operand.parts.empty() ? operand.parts[0] : operand;
  return first.kind == Operand::Kind::reg && register_bits[static_cast<std::size_t>(first.index)] == 64;
}

std::unique_ptr<Kernel> decode(Source source, const Module& module, const std::vector<std::uint64_t>& globals) {
  auto kernel = std::make_unique<Kernel>();
  kernel->source = std::move(source);
  Decoder(*kernel, module, globals).run();
  return kernel;
}

}  // namespace ptx
}  // namespace tsugi
