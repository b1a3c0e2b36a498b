// ld and st in every state space. Every access is held against the bounds of what it reaches, and against its
// alignment: that of the whole vector. Source: PTX ISA, "ld", "ld.global.nc", "st".
#include "kernels/ptx/access.h"

#include <cstdio>

#include "kernels/ptx/operations.h"

namespace tsugi {
namespace ptx {
namespace {

std::string hexadecimal(std::uint64_t address) {
  char text[32];
  std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(address));
  return text;
}

/// A stretch of addresses, and where it lies on the host.
struct Region {
  std::uint8_t* base = nullptr;
  std::uint64_t begin = 0, bytes = 0;
  std::uint32_t of_thread = 0;  ///< local memory: every thread has its own stretch of that many bytes behind base
  Space space = Space::global;
  Allocation* allocation = nullptr;
};

/// The region that the address of a lane in the space lies in; of no bytes where there is none.
Region region_of(Block& block, Space space, std::uint64_t address, bool write) {
  Region region;
  if (space == Space::generic) {
    const std::uint64_t window = address >> 56 << 56;
    region = region_of(block,
                       window == kSharedWindow  ? Space::shared
                       : window == kLocalWindow ? Space::local
                       : window == kParamWindow ? Space::param
                                                : Space::global,
                       address, write);
    region.begin += window;
    return region;
  }
  region.space = space;
  if (space == Space::shared) {
    region.base = block.shared().data();
    region.bytes = block.shared().size();
  } else if (space == Space::local) {
    region.base = block.local().data();
    region.bytes = region.of_thread = block.kernel().local_bytes;
  } else if (space == Space::param) {
    region.base = const_cast<std::uint8_t*>(block.parameters().data());
    region.bytes = write ? 0 : block.parameters().size();
  } else {
    if (block.last_reached == nullptr || !block.last_reached->holds(address, 1)) {
      block.last_reached = block.memory().find(address);
    }
    if (block.last_reached == nullptr) return region;
    region.allocation = block.last_reached;
    region.begin = region.allocation->begin;
    region.base = reinterpret_cast<std::uint8_t*>(region.begin);
    region.bytes = region.allocation->bytes;
  }
  return region;
}

const char* name_of(Space space) {
  return space == Space::shared  ? "shared"
         : space == Space::local ? "local"
         : space == Space::param ? "parameter"
                                 : "global";
}

void check_lanes(Warp& warp, const Instruction& i, const Reached& reached, const Region& region, std::size_t bytes,
                 bool write) {
  Checks* checks = warp.block->checks();
  if (checks == nullptr || (region.space != Space::shared && region.space != Space::global)) return;
  each_active(reached.lanes, [&](int lane) {
    const std::uint32_t thread = warp.index * kWarp + static_cast<std::uint32_t>(lane);
    const Checks::Access access{thread, warp.index, warp.meetings, static_cast<std::size_t>(reached.offsets[lane]),
                                bytes,  write};
    const std::string wrong =
        region.space == Space::shared ? checks->shared(access) : checks->global(*region.allocation, access);
    if (!wrong.empty()) warp.block->fail(warp, i, lane, wrong);
  });
}

template <typename T, typename S>
void load(Warp& warp, const Instruction& i) {
  std::uint64_t addresses[kWarp];
  read_addresses(warp, i, addresses);
  const std::uint32_t active = warp.active;
  Reached reached;
  for (std::uint32_t left = active; left != 0; left &= ~reached.lanes) {
    reach(warp, i, addresses, left, sizeof(T) * i.count, false, reached);
    warp.active = reached.lanes;
    for (int element = 0; element < i.count; ++element) {
      const std::uint8_t* base = reached.base + sizeof(T) * static_cast<std::size_t>(element);
      each_lane(warp, warp.lanes<S>(i.to[element]), [&](int lane) {
        T value;
        std::memcpy(&value, base + reached.offsets[lane], sizeof value);
        return to_slot<S>(value);
      });
    }
  }
  warp.active = active;
}

template <typename T, typename S>
void store(Warp& warp, const Instruction& i) {
  std::uint64_t addresses[kWarp];
  read_addresses(warp, i, addresses);
  Reached reached;
  for (std::uint32_t left = warp.active; left != 0; left &= ~reached.lanes) {
    reach(warp, i, addresses, left, sizeof(T) * i.count, true, reached);
    each_active(reached.lanes, [&](int lane) {
      T values[4];
      for (int element = 0; element < i.count; ++element) {
        values[element] = static_cast<T>(warp.lanes<S>(i.from[1 + element])[lane]);
      }
      std::memcpy(reached.base + reached.offsets[lane], values, sizeof(T) * i.count);
    });
  }
}

template <typename S>
Execute of_type(const std::string& type, bool loads) {
  using std::uint8_t;
  const auto either = [&](Execute loading, Execute storing) { return loads ? loading : storing; };
  if (type == "u8" || type == "b8") return either(load<uint8_t, S>, store<uint8_t, S>);
  if (type == "s8") return either(load<std::int8_t, S>, store<std::int8_t, S>);
  if (type == "u16" || type == "b16" || type == "f16") return either(load<std::uint16_t, S>, store<std::uint16_t, S>);
  if (type == "s16") return either(load<std::int16_t, S>, store<std::int16_t, S>);
  if (type == "u32" || type == "b32" || type == "f32") return either(load<std::uint32_t, S>, store<std::uint32_t, S>);
  if (type == "s32") return either(load<std::int32_t, S>, store<std::int32_t, S>);
  if (sizeof(S) == 8) return either(load<std::uint64_t, std::uint64_t>, store<std::uint64_t, std::uint64_t>);
  return nullptr;
}

Operation access(const Form& form) {
  const bool loads = form.statement.opcode[0] == "ld";
  const Operand& data = form.statement.operands[loads ? 0 : 1];
  const bool wide = form.wide_register(data) || (width(form.type()) == '8');
  const std::size_t count = data.kind == Operand::Kind::list ? data.parts.size() : 1;
  if (count != (form.has("v4") ? 4u : form.has("v2") ? 2u : 1u)) return {};
  Operation operation;
  operation.execute = wide ? of_type<std::uint64_t>(form.type(), loads) : of_type<std::uint32_t>(form.type(), loads);
  operation.to = std::string(loads ? count : 0, wide ? '8' : '4');
  operation.from = "a" + std::string(loads ? 0 : count, wide ? '8' : '4');
  operation.count = static_cast<std::uint8_t>(count);
  operation.space = form.has("global") || form.has("const") ? Space::global
                    : form.has("shared")                    ? Space::shared
                    : form.has("local")                     ? Space::local
                    : form.has("param")                     ? Space::param
                                                            : Space::generic;
  return operation;
}

}  // namespace

void read_addresses(Warp& warp, const Instruction& i, std::uint64_t* addresses) {
  if (i.wide_address) {
    const auto* base = warp.lanes<std::uint64_t>(i.from[0]);
    for (int lane = 0; lane < kWarp; ++lane) addresses[lane] = base[lane] + static_cast<std::uint64_t>(i.immediate);
  } else {
    const auto* base = warp.lanes<std::uint32_t>(i.from[0]);
    for (int lane = 0; lane < kWarp; ++lane) addresses[lane] = base[lane] + static_cast<std::uint32_t>(i.immediate);
  }
}

void reach(Warp& warp, const Instruction& i, const std::uint64_t* addresses, std::uint32_t lanes, std::size_t bytes,
           bool write, Reached& reached) {
  const int first = __builtin_ctz(lanes);
  const Region region = region_of(*warp.block, i.space, addresses[first], write);
  const std::uint64_t last = region.bytes - bytes, begin = region.begin;
  const bool none = region.bytes < bytes;
  std::uint32_t inside = 0, misaligned = 0;
  for (int lane = 0; lane < kWarp; ++lane) {
    const std::uint64_t offset = addresses[lane] - begin;
    inside |= static_cast<std::uint32_t>(!none && offset <= last) << lane;
    misaligned |= static_cast<std::uint32_t>((addresses[lane] & (bytes - 1)) != 0) << lane;
  }
  if ((misaligned & lanes) != 0) {
    const int lane = __builtin_ctz(misaligned & lanes);
    warp.block->fail(warp, i, lane,
                     "address " + hexadecimal(addresses[lane]) + " is not a multiple of " + std::to_string(bytes));
  }
  if ((inside >> first & 1) == 0) {
    warp.block->fail(warp, i, first,
                     std::string(write ? "writes " : "reads ") + std::to_string(bytes) + " bytes at " +
                         hexadecimal(addresses[first]) + ", outside of " + name_of(region.space) + " memory" +
                         (none && region.base == nullptr
                              ? ""
                              : ", which has " + std::to_string(region.bytes) + " bytes at " + hexadecimal(begin)));
  }
  reached.lanes = lanes & inside;
  reached.base = region.base;
  const std::uint32_t stride = region.of_thread, warp_begin = warp.index * kWarp;
  for (int lane = 0; lane < kWarp; ++lane) {
    const std::uint32_t offset =
        static_cast<std::uint32_t>(addresses[lane] - begin) + (warp_begin + static_cast<std::uint32_t>(lane)) * stride;
    reached.offsets[lane] = reached.lanes >> lane & 1 ? static_cast<std::int32_t>(offset) : 0;
  }
  check_lanes(warp, i, reached, region, bytes, write);
}

const std::vector<Row>& memory_rows() {
  static const std::vector<Row> rows = {
      {"ld", "global shared local param const nc v2 v4 volatile", access},
      {"st", "global shared local v2 v4 volatile", access},
  };
  return rows;
}

}  // namespace ptx
}  // namespace tsugi
