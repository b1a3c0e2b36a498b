"""Reads nvdisasm's text: the instructions of each kernel, its loops, and what its hot loop is made of.

How issue slots are counted. A slot is one instruction that a scheduler issues to a warp. On Maxwell nvdisasm prints two
instructions that are issued together (one to an arithmetic pipe, one to a load, store or branch unit) in braces: they
take one slot. Control words (`/* 0x... */`, the scheduling hints of three instructions) are data, not instructions.
On Turing every instruction takes one slot.

What the share of a slot means. On sm_53 each of the four schedulers feeds 32 lanes, so one FFMA or HFMA2 a slot is the
chip's peak, and the share of FFMA is the share of peak that the loop allows. On sm_75 a scheduler feeds 16 float lanes,
so an FFMA occupies them for two slots: anything above 50 % allows peak, and more leaves room for stalls. An HMMA.1688
occupies the matrix unit for 8 slots with half and 16 with float accumulators on GeForce, so a few percent suffice.

What is counted is the machine code, each instruction of a loop once: both arms of a condition inside the loop count,
and stalls (latency, bank conflicts) are not seen.
"""

import re
from collections import Counter
from typing import NamedTuple

_INSTRUCTION = re.compile(r"^\s*/\*([0-9a-f]{4,})\*/\s+(\{)?\s*(?:@(!?U?P\w+)\s+)?([A-Z][A-Z0-9_.]*)\s*(.*?)\s*$")
_LABEL = re.compile(r"^(\S+):\s*$")
_SECTION = re.compile(r"^\s*\.section\s+\.text\.([^,\s]+),")
_TARGET = re.compile(r"`\((\.L_\w+)\)")
_BRANCH_TARGETS = re.compile(r'BRANCH_TARGETS ([^"]*)"')
_BARRIER_REGISTER = re.compile(r"^(B\d+)")

MATH = ("FFMA", "HFMA2", "HMMA")
_BRANCHES = set(
    "BRA BRX JMP JMX SSY SYNC PBK BRK PCNT CONT BSSY BSYNC BREAK CAL CALL RET EXIT WARPSYNC YIELD PRET JCAL".split()
)
_FLOATS = set(
    """
    FADD FADD32I FMUL FMUL32I FMNMX FSETP FSET FSEL FCMP FCHK MUFU RRO HADD2 HADD2_32I HMUL2 HMUL2_32I HSETP2 HSET2
    HMNMX2 F2F F2I I2F F2FP DADD DMUL DFMA DSETP DMNMX
    """.split()
)
_MEMORY = {name: name for name in ("LDS", "STS", "LDG", "STG", "LDL", "STL", "LDC", "ATOM")}
_MEMORY.update(LD="LDG", ST="STG", ATOMG="ATOM", ATOMS="ATOM", RED="ATOM")


class Instruction(NamedTuple):
    address: int
    opcode: str  # with its modifiers: "LDS.U.128"
    operands: str
    predicate: str
    paired: bool  # shares the slot of the one before
    targets: list

    @property
    def stem(self):
        """ "LDS" """
        return self.opcode.split(".")[0]

    def kind(self):
        """ "FFMA", "HFMA2", "HMMA", "LDS.128", "BAR", "branch", "float", "integer", ..."""
        if self.stem in ("FFMA", "FFMA32I"):
            return "FFMA"
        if self.stem in ("HFMA2", "HFMA2_32I"):
            # A Turing idiom for a constant: 0 * 0 + constant.
            return "integer" if re.match(r"\w+, -?RZ(\.H0_H0)?, -?RZ", self.operands) else "HFMA2"
        if self.stem == "HMMA":
            return "HMMA"
        if self.stem in _MEMORY:
            name = _MEMORY[self.stem]
            return f"{name}.{self.width()}" if name[:2] in ("LD", "ST") and name != "LDC" else name
        if self.stem == "LDSM":
            return "LDSM"  # matrix fragments from shared memory, 128 bits a thread at most
        if self.stem in ("BAR", "MEMBAR"):
            return "BAR"
        if self.stem in ("DEPBAR", "NOP"):
            return "wait"
        if self.stem in _BRANCHES:
            return "branch"
        return "float" if self.stem in _FLOATS else "integer"

    def width(self):
        """Bits that each thread moves."""
        for part in self.opcode.split(".")[1:]:
            if part in ("128", "64"):
                return int(part)
            if part in ("U8", "S8"):
                return 8
            if part in ("U16", "S16"):
                return 16
        return 32


def parse(text):
    """{kernel symbol: (instructions, {label: index of the instruction after it})} of `nvdisasm -c`."""
    kernels = {}
    instructions, labels = [], {}
    paired = False
    for line in text.splitlines():
        section = _SECTION.match(line)
        if section:
            instructions, labels = [], {}
            kernels[section.group(1)] = (instructions, labels)
            continue
        label = _LABEL.match(line)
        if label:
            labels[label.group(1)] = len(instructions)
            continue
        match = _INSTRUCTION.match(line)
        if not match:
            continue
        address, brace, predicate, opcode, rest = match.groups()
        annotated = _BRANCH_TARGETS.search(rest)
        targets = annotated.group(1).replace(",", " ").split() if annotated else _TARGET.findall(rest)
        second = paired and rest.endswith("}")
        paired = bool(brace)
        operands = rest.rstrip(" ;}")
        instructions.append(Instruction(int(address, 16), opcode, operands, predicate, second, targets))
    return kernels


def _successors(instructions, labels):
    """Indices that each instruction can be followed by."""
    regions = {}  # BSSY's barrier register -> where its BSYNC continues; the last one before it in the text
    result = []
    for index, instruction in enumerate(instructions):
        stem = instruction.stem
        targets = [labels[t] for t in instruction.targets if t in labels and labels[t] < len(instructions)]
        following = [index + 1] if index + 1 < len(instructions) else []
        if stem == "BSSY":
            regions[_BARRIER_REGISTER.match(instruction.operands).group(1)] = targets
            result.append(following)
        elif stem == "BSYNC":
            result.append(regions.get(_BARRIER_REGISTER.match(instruction.operands).group(1), following))
        elif stem in ("BRA", "BRX", "JMP", "SYNC", "BRK", "CONT"):
            conditional = instruction.predicate is not None or re.match(r"!?U?P\d", instruction.operands)
            result.append(targets + (following if conditional else []))
        elif stem in ("EXIT", "RET"):
            result.append(following if instruction.predicate is not None else [])
        else:
            result.append(following)
    return result


def _blocks(successors):
    """(first instruction of each basic block, successors and predecessors of each block)."""
    starts = {0}
    for index, following in enumerate(successors):
        if following != [index + 1]:
            starts.update(following)
            if index + 1 < len(successors):
                starts.add(index + 1)
    starts = sorted(starts)
    block_of = {start: block for block, start in enumerate(starts)}
    ends = starts[1:] + [len(successors)]
    next_blocks = [[block_of[s] for s in successors[end - 1]] for end in ends]
    previous = [[] for _ in starts]
    for block, following in enumerate(next_blocks):
        for target in following:
            previous[target].append(block)
    return list(zip(starts, ends)), next_blocks, previous


def _dominators(next_blocks, previous):
    """For each block that the entry reaches, the set of blocks on every path to it."""
    order, seen, stack = [], {0}, [(0, iter(next_blocks[0]))]
    while stack:
        block, following = stack[-1]
        for target in following:
            if target not in seen:
                seen.add(target)
                stack.append((target, iter(next_blocks[target])))
                break
        else:
            order.append(block)
            stack.pop()
    order.reverse()
    dominators = {0: {0}}
    changed = True
    while changed:
        changed = False
        for block in order[1:]:
            known = [dominators[p] for p in previous[block] if p in dominators]
            new = set.intersection(*known) | {block}
            if dominators.get(block) != new:
                dominators[block] = new
                changed = True
    return dominators


def loops(instructions, labels):
    """The natural loops, as sorted lists of instruction indices. Loops with one head are one loop."""
    if not instructions:
        return []
    blocks, next_blocks, previous = _blocks(_successors(instructions, labels))
    dominators = _dominators(next_blocks, previous)
    bodies = {}
    for block, dominating in dominators.items():
        for head in next_blocks[block]:
            if head not in dominating:
                continue
            body = bodies.setdefault(head, {head})
            todo = [block]
            while todo:
                member = todo.pop()
                if member not in body:
                    body.add(member)
                    todo.extend(p for p in previous[member] if p in dominators)
    return [sorted(i for block in body for i in range(*blocks[block])) for body in bodies.values()]


def hot_loop(instructions, labels):
    """The innermost loop with the most FFMA, HFMA2 or HMMA: among all loops the one that has most of them outside of
    loops nested in it. None where no loop has any. A loop nested in it would count once: see `nested`."""
    found = [set(body) for body in loops(instructions, labels)]
    best, most, inner = None, 0, 0
    for body in found:
        nested = [other for other in found if other < body]
        own = body.difference(*nested)
        math = sum(instructions[i].kind() in MATH for i in own)
        if math > most or (math == most and best is not None and math and len(body) < len(best)):
            best, most, inner = body, math, len(nested)
    if best is None:
        return None
    return summary([instructions[i] for i in sorted(best)], inner)


def summary(instructions, nested=0):
    """Counts of the kinds of instructions, issue slots, and the share of the leading kind of arithmetic in them."""
    counts = Counter(i.kind() for i in instructions)
    slots = sum(not i.paired for i in instructions)
    leader = max(MATH, key=lambda kind: counts[kind])
    return {
        "counts": dict(sorted(counts.items())),
        "instructions": len(instructions),
        "slots": slots,
        "math": leader,
        "share": round(100.0 * counts[leader] / slots, 1),
        "nested": nested,
    }
