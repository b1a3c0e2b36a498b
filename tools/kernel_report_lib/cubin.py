"""Reads what the compiler wrote about each kernel into a cubin (an ELF file): registers, stack, shared memory, threads.

The attribute numbers of .nv.info are those that `cuobjdump -elf` prints as EIATTR_*; the results are the same as those
of `cuobjdump --dump-resource-usage`.
"""

import struct

_MAX_THREADS = 0x05
_FRAME_SIZE = 0x11
_MIN_STACK_SIZE = 0x12
_REGISTERS = 0x2F
_SIZED = 0x04  # format of an attribute whose value follows its 16-bit size; others hold their value in those 16 bits
_GLOBAL_FUNCTION = 0x12  # STB_GLOBAL and STT_FUNC
_WEAK_FUNCTION = 0x22
_ENTRY = 0x10  # STO_CUDA_ENTRY


def _attributes(data):
    at = 0
    while at + 4 <= len(data):
        form, attribute, size = struct.unpack_from("<BBH", data, at)
        at += 4
        if form == _SIZED:
            yield attribute, data[at : at + size]
            at += size
        else:
            yield attribute, size


def _sections(elf):
    header = struct.unpack_from("<16sHHIQQQIHHHHHH", elf)
    if header[0][:4] != b"\x7fELF":
        raise ValueError("not an ELF file")
    offset, entry_size, count, names_index = header[6], header[11], header[12], header[13]
    raw = [struct.unpack_from("<IIQQQQIIQQ", elf, offset + i * entry_size) for i in range(count)]
    names = raw[names_index]

    def text(table, at):
        start = table[4] + at
        return elf[start : elf.index(b"\0", start)].decode()

    sections = {}
    for section in raw:
        no_bits = section[1] == 8
        sections[text(names, section[0])] = (section, b"" if no_bits else elf[section[4] : section[4] + section[5]])
    return sections, text


def kernels(elf):
    """{symbol: {"registers", "stack", "shared", "local" (bytes), "threads" (0: no launch bounds)}}"""
    sections, text = _sections(elf)
    symbols = []
    table = sections[".symtab"][1]
    for at in range(0, len(table), 24):
        name, info, other, _section, _value, _size = struct.unpack_from("<IBBHQQ", table, at)
        symbols.append((text(sections[".strtab"][0], name), info, other))
    found = {}
    for name, info, other in symbols:
        if info in (_GLOBAL_FUNCTION, _WEAK_FUNCTION) and other & _ENTRY:
            found[name] = {"registers": 0, "stack": 0, "shared": 0, "local": 0, "threads": 0}
    for attribute, value in _attributes(sections[".nv.info"][1]):
        if attribute not in (_REGISTERS, _FRAME_SIZE, _MIN_STACK_SIZE):
            continue
        symbol, number = struct.unpack("<II", value)
        kernel = found.get(symbols[symbol][0])
        if kernel is None:
            continue
        field = "registers" if attribute == _REGISTERS else "stack"
        kernel[field] = max(kernel[field], number)
    for name, kernel in found.items():
        for field in ("shared", "local"):
            if f".nv.{field}.{name}" in sections:
                kernel[field] = sections[f".nv.{field}.{name}"][0][5]
        for attribute, value in _attributes(sections[f".nv.info.{name}"][1]):
            if attribute == _MAX_THREADS:
                x, y, z = struct.unpack("<III", value)
                kernel["threads"] = x * y * z
    return found
