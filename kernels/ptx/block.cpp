// How a block's warps run: lanes that stand at the same instruction go on together, the lowest first, so that those who
// parted meet where their ways join. A warp runs until every lane of it waits at a barrier or has left.
#include "kernels/ptx/block.h"

#include <algorithm>

namespace tsugi {
namespace ptx {
namespace {

std::uint32_t passing(Warp& warp, const Instruction& i, std::uint32_t lanes) {
  if (!i.guarded) return lanes;
  const std::uint32_t guard = warp.predicate(i.guard);
  return lanes & (i.guard_negated ? ~guard : guard);
}

}  // namespace

Block::Block(Kernel& kernel, const Launch& launch, Memory& memory, Checks* checks)
    : kernel_(kernel),
      launch_(launch),
      memory_(memory),
      checks_(checks),
      threads_(launch.block[0] * launch.block[1] * launch.block[2]),
      warps_((threads_ + kWarp - 1) / kWarp),
      shared_(kernel.shared_bytes),
      local_(std::size_t{kernel.local_bytes} * warps_.size() * kWarp, kUnwritten),
      random_(launch.shuffle) {
  for (std::size_t w = 0; w < warps_.size(); ++w) {
    WarpState& state = warps_[w];
    state.registers.assign(kernel.register_bytes, kUnwritten);
    state.warp.registers = state.registers.data();
    state.warp.index = static_cast<std::uint32_t>(w);
    state.warp.block = this;
    for (const Constant& constant : kernel.constants) {
      for (int lane = 0; lane < kWarp; ++lane) {
        if (constant.wide)
          state.warp.lanes<std::uint64_t>(constant.place)[lane] = constant.value;
        else
          state.warp.lanes<std::uint32_t>(constant.place)[lane] = static_cast<std::uint32_t>(constant.value);
      }
    }
  }
}

void Block::set_special(WarpState& state, const SpecialRegister& special) {
  const std::uint32_t x = launch_.block[0], y = launch_.block[1];
  for (std::uint32_t lane = 0; lane < kWarp; ++lane) {
    const std::uint32_t thread = state.warp.index * kWarp + lane;
    std::uint32_t value = 0;
    switch (special.which) {
      case Special::tid_x:
        value = thread % x;
        break;
      case Special::tid_y:
        value = thread / x % y;
        break;
      case Special::tid_z:
        value = thread / x / y;
        break;
      case Special::ntid_x:
        value = x;
        break;
      case Special::ntid_y:
        value = y;
        break;
      case Special::ntid_z:
        value = launch_.block[2];
        break;
      case Special::ctaid_x:
        value = index_[0];
        break;
      case Special::ctaid_y:
        value = index_[1];
        break;
      case Special::ctaid_z:
        value = index_[2];
        break;
      case Special::nctaid_x:
        value = launch_.grid[0];
        break;
      case Special::nctaid_y:
        value = launch_.grid[1];
        break;
      case Special::nctaid_z:
        value = launch_.grid[2];
        break;
      case Special::laneid:
        value = lane;
        break;
    }
    state.warp.lanes<std::uint32_t>(special.place)[lane] = value;
  }
}

std::uint32_t Block::threads_of(const WarpState& state) const {
  const std::uint32_t left = threads_ - state.warp.index * kWarp;
  return left >= kWarp ? kAllLanes : (1u << left) - 1;
}

void Block::start_warp(WarpState& state) {
  state.warp.alive = threads_of(state);
  state.warp.meetings = 0;
  state.groups.assign(1, {0, state.warp.alive, Group::State::runs});
  for (const SpecialRegister& special : kernel_.specials) set_special(state, special);
}

void Block::run(std::uint32_t x, std::uint32_t y, std::uint32_t z) {
  index_[0] = x;
  index_[1] = y;
  index_[2] = z;
  std::fill(shared_.begin(), shared_.end(), kUnwritten);
  if (checks_ != nullptr) checks_->begin_block(x + launch_.grid[0] * (y + launch_.grid[1] * z), shared_.size());
  std::vector<WarpState*> order;
  for (WarpState& state : warps_) {
    start_warp(state);
    order.push_back(&state);
  }
  for (;;) {
    if (launch_.shuffle != 0) std::shuffle(order.begin(), order.end(), random_);
    for (WarpState* state : order) run_warp(*state);
    const auto done = [](const WarpState& state) { return state.groups.empty(); };
    if (std::all_of(warps_.begin(), warps_.end(), done)) return;
    end_barrier();
  }
}

/// Every thread of the block has to stand at the same barrier.
void Block::end_barrier() {
  int at = -1;
  for (const WarpState& state : warps_) {
    if (!state.groups.empty()) at = state.groups[0].at;
  }
  const Instruction& barrier = kernel_.code[static_cast<std::size_t>(at)];
  for (WarpState& state : warps_) {
    const std::uint32_t gone = threads_of(state) & ~state.warp.alive;
    if (gone != 0) fail(state.warp, barrier, __builtin_ctz(gone), "has left while others wait at a barrier");
    for (Group& group : state.groups) {
      if (group.at != at) {
        fail(state.warp, barrier, __builtin_ctz(group.lanes),
             "waits at another barrier, " + place_of(kernel_.code[static_cast<std::size_t>(group.at)]) +
                 ", than others");
      }
    }
    state.groups.assign(1, {at + 1, state.warp.alive, Group::State::runs});
  }
  if (checks_ != nullptr) checks_->pass_barrier();
}

void Block::merge(WarpState& state) {
  std::vector<Group>& groups = state.groups;
  for (std::size_t a = 0; a < groups.size(); ++a) {
    for (std::size_t b = groups.size() - 1; b > a; --b) {
      if (groups[a].at != groups[b].at || groups[a].state != groups[b].state) continue;
      groups[a].lanes |= groups[b].lanes;
      groups.erase(groups.begin() + static_cast<std::ptrdiff_t>(b));
    }
  }
}

/// The group to run next, or -1: the one that is furthest behind, or any.
int Block::choose(const WarpState& state) {
  int chosen = -1;
  std::uint64_t seen = 0;
  for (std::size_t g = 0; g < state.groups.size(); ++g) {
    if (state.groups[g].state != Group::State::runs) continue;
    ++seen;
    const bool better =
        chosen < 0 || (launch_.shuffle != 0 ? random_() % seen == 0
                                            : state.groups[g].at < state.groups[static_cast<std::size_t>(chosen)].at);
    if (better) chosen = static_cast<int>(g);
  }
  return chosen;
}

void Block::run_warp(WarpState& state) {
  for (;;) {
    if (state.groups.size() > 1) merge(state);
    const int chosen = choose(state);
    if (chosen < 0) {
      if (!wake_meeting(state)) return;
      continue;
    }
    Group group = state.groups[static_cast<std::size_t>(chosen)];
    state.groups.erase(state.groups.begin() + chosen);
    if (launch_.shuffle != 0) split(state, group);
    run_group(state, group);
  }
}

/// Some of a group's lanes stay behind: no program may count on lanes to go together.
void Block::split(WarpState& state, Group& group) {
  const std::uint32_t ahead = group.lanes & static_cast<std::uint32_t>(random_());
  if (random_() % 4 != 0 || ahead == 0 || ahead == group.lanes) return;
  state.groups.push_back({group.at, group.lanes & ~ahead, Group::State::runs});
  group.lanes = ahead;
}

/// Until the group parts, meets others or waits, or another one stands at the same instruction or further behind.
void Block::run_group(WarpState& state, Group group) {
  Warp& warp = state.warp;
  int stop = 1 << 30, budget = 1 << 30;
  if (launch_.shuffle != 0) {
    budget = 1 + static_cast<int>(random_() % 64);
  } else {
    for (const Group& other : state.groups)
      if (other.state == Group::State::runs) stop = std::min(stop, other.at);
  }
  const Instruction* code = kernel_.code.data();
  std::uint64_t* visits = kernel_.visits.data();
  warp.active = group.lanes;
  for (int at = group.at;;) {
    const Instruction& i = code[at];
    const std::uint32_t lanes = passing(warp, i, group.lanes);
    if (lanes == 0) {
      ++at;
    } else if (i.control == Control::none) {
      ++visits[at++];
      warp.active = lanes;
      i.execute(warp, i);
      warp.active = group.lanes;
    } else {
      ++visits[at];
      const std::uint32_t others = group.lanes & ~lanes;
      if (others != 0) {
        state.groups.push_back({at + 1, others, Group::State::runs});
        group.lanes = lanes;
      }
      if (i.control == Control::exit) {
        warp.alive &= ~lanes;
        return;
      }
      if (i.control == Control::barrier) {
        state.groups.push_back({at, lanes, Group::State::waits});
        return;
      }
      if (i.control == Control::branch) {
        at = i.target;
      } else {
        std::uint32_t waiting = lanes;
        if (!meet(state, i, lanes, waiting)) {
          if (waiting != lanes) state.groups.push_back({at + 1, lanes & ~waiting, Group::State::runs});
          state.groups.push_back({at, waiting, Group::State::meets});
          return;
        }
        ++at;
      }
      if (others != 0) {  // who parted: the one further behind goes first
        state.groups.push_back({at, lanes, Group::State::runs});
        return;
      }
      warp.active = lanes;
    }
    if (at >= stop || --budget <= 0) {
      state.groups.push_back({at, group.lanes, Group::State::runs});
      return;
    }
  }
}

/// Runs a warp-level instruction for those of `lanes` whose mask is complete; true when that is all of them. Lanes of
/// several masks may come together: each mask is a meeting of its own.
bool Block::meet(WarpState& state, const Instruction& i, std::uint32_t lanes, std::uint32_t& waiting) {
  Warp& warp = state.warp;
  waiting = 0;
  std::uint32_t masks[kWarp];
  std::memcpy(masks, warp.lanes<std::uint32_t>(i.from[i.target]), sizeof masks);
  for (std::uint32_t left = lanes; left != 0;) {
    const int first = __builtin_ctz(left);
    const std::uint32_t mask = masks[first];
    std::uint32_t same = 0;
    for (int lane = 0; lane < kWarp; ++lane) same |= static_cast<std::uint32_t>(masks[lane] == mask) << lane;
    same &= left;
    left &= ~same;
    if ((mask & same) != same) fail(warp, i, first, "runs it, and its mask leaves a lane out that does");
    if ((mask & threads_of(state) & ~warp.alive) != 0) fail(warp, i, first, "its mask names a lane that has left");
    if ((mask & threads_of(state) & ~same) != 0) {
      waiting |= same;
      continue;
    }
    ++warp.meetings;
    warp.active = same;
    i.execute(warp, i);
  }
  warp.active = lanes;
  return waiting == 0;
}

/// When nobody of the warp can run, some of those who wait for each other have met, or nobody ever will.
bool Block::wake_meeting(WarpState& state) {
  int stuck = -1;
  for (std::size_t g = 0; g < state.groups.size(); ++g) {
    const Group group = state.groups[g];
    if (group.state != Group::State::meets) continue;
    const Instruction& i = kernel_.code[static_cast<std::size_t>(group.at)];
    std::uint32_t waiting = group.lanes;
    (void)meet(state, i, group.lanes, waiting);
    if (waiting == group.lanes) {
      stuck = static_cast<int>(g);
      continue;
    }
    state.groups[g] = {group.at + 1, group.lanes & ~waiting, Group::State::runs};
    if (waiting != 0) state.groups.push_back({group.at, waiting, Group::State::meets});
    return true;
  }
  if (stuck < 0) return false;
  const Group& group = state.groups[static_cast<std::size_t>(stuck)];
  fail(state.warp, kernel_.code[static_cast<std::size_t>(group.at)], __builtin_ctz(group.lanes),
       "waits for lanes of its mask that never come");
}

}  // namespace ptx
}  // namespace tsugi
