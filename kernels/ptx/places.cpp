// Liveness by basic blocks (the usual backward data flow), one interval a register, and a linear scan over the
// intervals. Source: Poletto and Sarkar, "Linear scan register allocation", 1999.
#include "kernels/ptx/places.h"

#include <algorithm>
#include <set>

namespace tsugi {
namespace ptx {
namespace {

using Bits = std::vector<std::uint64_t>;

bool has(const Bits& bits, int i) { return bits[static_cast<std::size_t>(i / 64)] >> i % 64 & 1; }
void add(Bits& bits, int i) { bits[static_cast<std::size_t>(i / 64)] |= std::uint64_t{1} << i % 64; }

template <typename F>
void each_register(const Operand& operand, const F& f) {
  if (operand.kind == Operand::Kind::reg) f(operand.index);
  for (const Operand& part : operand.parts) each_register(part, f);
}

template <typename F>
void each_written(const Statement& statement, const F& f) {
  if (writes_first_operand(statement)) each_register(statement.operands[0], f);
}

template <typename F>
void each_read(const Statement& statement, const F& f) {
  if (statement.guard >= 0) {
    f(statement.guard);
    each_written(statement, f);
  }
  for (std::size_t i = writes_first_operand(statement) ? 1 : 0; i < statement.operands.size(); ++i) {
    each_register(statement.operands[i], f);
  }
}

bool ends_block(const Statement& statement) {
  const std::string& name = statement.opcode[0];
  return name == "bra" || name == "ret" || name == "exit";
}

struct BasicBlock {
  int begin, end;
  std::vector<int> next;
  Bits read, written, live_in, live_out;  ///< read: before it is written
};

std::vector<BasicBlock> basic_blocks(const Source& source) {
  const int count = static_cast<int>(source.statements.size());
  std::set<int> begins = {0};
  for (const auto& label : source.labels) begins.insert(label.second);
  for (int i = 0; i < count; ++i) {
    if (ends_block(source.statements[static_cast<std::size_t>(i)])) begins.insert(i + 1);
  }
  begins.insert(count);
  std::vector<BasicBlock> blocks;
  std::map<int, int> of_begin;
  for (auto begin = begins.begin(); std::next(begin) != begins.end(); ++begin) {
    of_begin[*begin] = static_cast<int>(blocks.size());
    blocks.push_back({*begin, *std::next(begin), {}, {}, {}, {}, {}});
  }
  for (BasicBlock& block : blocks) {
    const Statement& last = source.statements[static_cast<std::size_t>(block.end - 1)];
    if (last.opcode[0] == "bra") {
      const auto label = source.labels.find(last.operands.empty() ? "" : last.operands[0].name);
      if (label != source.labels.end() && of_begin.count(label->second) != 0)
        block.next.push_back(of_begin[label->second]);
    }
    if ((!ends_block(last) || last.guard >= 0) && of_begin.count(block.end) != 0)
      block.next.push_back(of_begin[block.end]);
  }
  return blocks;
}

void find_liveness(const Source& source, std::vector<BasicBlock>& blocks) {
  const std::size_t words = source.register_bits.size() / 64 + 1;
  for (BasicBlock& block : blocks) {
    block.read = block.written = block.live_in = block.live_out = Bits(words);
    for (int i = block.begin; i < block.end; ++i) {
      const Statement& statement = source.statements[static_cast<std::size_t>(i)];
      each_read(statement, [&](int r) {
        if (!has(block.written, r)) add(block.read, r);
      });
      each_written(statement, [&](int r) { add(block.written, r); });
    }
  }
  for (bool changed = true; changed;) {
    changed = false;
    for (auto block = blocks.rbegin(); block != blocks.rend(); ++block) {
      for (std::size_t word = 0; word < words; ++word) {
        for (const int next : block->next)
          block->live_out[word] |= blocks[static_cast<std::size_t>(next)].live_in[word];
        const std::uint64_t live = block->read[word] | (block->live_out[word] & ~block->written[word]);
        changed |= live != block->live_in[word];
        block->live_in[word] = live;
      }
    }
  }
}

/// Statement i reads at 2 i and writes at 2 i + 1: a result may take the place of an operand that it is the last to
/// read.
struct Interval {
  int reg, begin, end;
};

std::vector<Interval> intervals(const Source& source) {
  std::vector<BasicBlock> blocks = basic_blocks(source);
  find_liveness(source, blocks);
  const int registers = static_cast<int>(source.register_bits.size());
  std::vector<Interval> all;
  for (int r = 0; r < registers; ++r) all.push_back({r, 1 << 30, -1});
  const auto lives_at = [&](int r, int at) {
    Interval& interval = all[static_cast<std::size_t>(r)];
    interval.begin = std::min(interval.begin, at);
    interval.end = std::max(interval.end, at);
  };
  for (const BasicBlock& block : blocks) {
    for (int r = 0; r < registers; ++r) {
      if (has(block.live_in, r)) lives_at(r, 2 * block.begin);
      if (has(block.live_out, r)) lives_at(r, 2 * block.end - 1);
    }
    for (int i = block.begin; i < block.end; ++i) {
      const Statement& statement = source.statements[static_cast<std::size_t>(i)];
      each_read(statement, [&](int r) { lives_at(r, 2 * i); });
      each_written(statement, [&](int r) { lives_at(r, 2 * i + 1); });
    }
  }
  all.erase(std::remove_if(all.begin(), all.end(), [](const Interval& i) { return i.end < 0; }), all.end());
  std::sort(all.begin(), all.end(), [](const Interval& a, const Interval& b) {
    return a.begin != b.begin ? a.begin < b.begin : a.reg < b.reg;
  });
  return all;
}

/// Places of one size. What overlaps in part would break the loops over lanes, so each size has a pool of its own.
class Pool {
 public:
  std::uint32_t take(const Interval& interval) {
    while (!busy_.empty() && busy_.begin()->first < interval.begin) {
      free_.insert(busy_.begin()->second);
      busy_.erase(busy_.begin());
    }
    std::uint32_t place = count_;
    if (free_.empty()) {
      ++count_;
    } else {
      place = *free_.begin();
      free_.erase(free_.begin());
    }
    busy_.insert({interval.end, place});
    return place;
  }
  std::uint32_t count() const { return count_; }

 private:
  std::set<std::pair<int, std::uint32_t>> busy_;  ///< end of life, place
  std::set<std::uint32_t> free_;
  std::uint32_t count_ = 0;
};

}  // namespace

bool writes_first_operand(const Statement& statement) {
  static const std::set<std::string> kWritesNothing = {"st",   "red", "bra",    "bar",   "barrier",   "ret",     "exit",
                                                       "trap", "nop", "membar", "fence", "prefetchu", "prefetch"};
  return !statement.operands.empty() && kWritesNothing.count(statement.opcode[0]) == 0;
}

Places place_registers(const Source& source) {
  Pool wide, narrow, predicates;
  Places places;
  places.of_register.assign(source.register_bits.size(), 0);
  const auto pool_of = [&](int r) -> Pool& {
    const int bits = source.register_bits[static_cast<std::size_t>(r)];
    return bits == 64 ? wide : bits == 1 ? predicates : narrow;
  };
  const std::vector<Interval> all = intervals(source);
  for (const Interval& interval : all) {
    places.of_register[static_cast<std::size_t>(interval.reg)] = pool_of(interval.reg).take(interval);
  }
  const std::uint32_t narrow_begin = wide.count() * 8 * kWarp;
  const std::uint32_t predicates_begin = narrow_begin + narrow.count() * 4 * kWarp;
  for (const Interval& interval : all) {
    std::uint32_t& place = places.of_register[static_cast<std::size_t>(interval.reg)];
    const int bits = source.register_bits[static_cast<std::size_t>(interval.reg)];
    place = bits == 64  ? place * 8 * kWarp
            : bits == 1 ? predicates_begin + 4 * place
                        : narrow_begin + place * 4 * kWarp;
  }
  places.end = (predicates_begin + 4 * predicates.count() + 255) / 256 * 256;
  return places;
}

}  // namespace ptx
}  // namespace tsugi
