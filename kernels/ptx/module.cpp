// A module's directives: variables, and where each kernel stands. Bodies are skipped; source.cpp reads them.
#include "kernels/ptx/declarations.h"
#include "kernels/ptx/program.h"

namespace tsugi {
namespace ptx {
namespace {

void skip_statement(Tokens& tokens) {
  while (!tokens.done() && !tokens.is(";")) tokens.take();
  tokens.expect(";");
}

}  // namespace

Module::Module(std::string name, std::string text) : name_(std::move(name)), text_(std::move(text)) {
  Tokens tokens(name_, text_, 0, text_.size(), 1);
  while (!tokens.done()) {
    const std::size_t begin = tokens.position();
    const int line = tokens.line();
    while (tokens.skip(".visible") || tokens.skip(".weak") || tokens.skip(".extern")) {
    }
    if (tokens.skip(".version") || tokens.skip(".address_size")) {
      tokens.take();
    } else if (tokens.skip(".target")) {
      target_ = tokens.take();
      while (tokens.skip(",")) tokens.take();
    } else if (tokens.skip(".file")) {  // number, path; some compilers add time and size
      tokens.take();
      tokens.take();
      while (tokens.skip(",")) tokens.take();
    } else if (tokens.skip(".section")) {
      tokens.take();
      tokens.skip_block();
    } else if (tokens.skip(".entry")) {
      const std::string kernel = tokens.take();
      while (!tokens.is("{")) {
        if (tokens.done()) tokens.fail("kernel " + kernel + " has no body");
        tokens.take();
      }
      tokens.skip_block();
      entries_[kernel] = {begin, tokens.done() ? text_.size() : tokens.position(), line};
    } else if (tokens.skip(".func")) {  // calls are no instruction that is known, so that none can be reached
      while (!tokens.is("{") && !tokens.is(";")) tokens.take();
      if (!tokens.skip(";")) tokens.skip_block();
    } else if (tokens.is(".global") || tokens.is(".const") || tokens.is(".shared")) {
      Variable variable = read_variable(tokens);
      (variable.space == Space::shared ? shared_ : globals_).push_back(std::move(variable));
    } else if (tokens.skip(".pragma")) {
      skip_statement(tokens);
    } else {
      tokens.fail("unknown directive " + tokens.word());
    }
  }
}

std::vector<std::string> Module::kernels() const {
  std::vector<std::string> names;
  for (const auto& entry : entries_) names.push_back(entry.first);
  return names;
}

Source Module::kernel(const std::string& kernel) const {
  const auto entry = entries_.find(kernel);
  if (entry == entries_.end()) throw Error("ptx: " + name_ + " has no kernel " + kernel);
  Tokens tokens(name_, text_, entry->second.begin, entry->second.end, entry->second.line);
  Source source = read_kernel(tokens);
  source.module = name_;
  for (const Variable& variable : shared_) source.variables.push_back(variable);
  return source;
}

}  // namespace ptx
}  // namespace tsugi
