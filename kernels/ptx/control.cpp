// Branches, barriers and ends. Where a warp goes on, block.cpp decides; here stands which statement is what. Source:
// PTX ISA, "Control flow instructions" and "bar".
#include "kernels/ptx/block.h"
#include "kernels/ptx/operations.h"

namespace tsugi {
namespace ptx {
namespace {

void nothing(Warp&, const Instruction&) {}

void trap(Warp& warp, const Instruction& i) { warp.block->fail(warp, i, __builtin_ctz(warp.active), "a trap"); }

template <Control control>
Operation of(const Form&) {
  return {nothing, "", "", control};
}

Operation barrier(const Form& form) {
  const std::vector<Operand>& operands = form.statement.operands;
  const bool whole_block = operands.size() == 1 && operands[0].kind == Operand::Kind::number && operands[0].bits == 0;
  if (!whole_block || !form.has("sync")) return {};
  return {nothing, "", "4", Control::barrier};
}

}  // namespace

const std::vector<Row>& control_rows() {
  static const std::vector<Row> rows = {
      {"bra", "uni", of<Control::branch>},
      {"ret", "uni", of<Control::exit>},
      {"exit", "", of<Control::exit>},
      {"bar", "sync", barrier},
      {"barrier", "sync aligned", barrier},
      {"trap", "",
       [](const Form&) -> Operation {
         return {trap, "", ""};
       }},
      {"membar", "cta gl sys", of<Control::none>},
      {"fence", "cta gl sys sc acq_rel", of<Control::none>},
  };
  return rows;
}

}  // namespace ptx
}  // namespace tsugi
