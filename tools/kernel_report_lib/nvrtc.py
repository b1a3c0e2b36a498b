"""Compiles the device half of a .cu file with NVRTC and disassembles it; keeps the results, keyed by their content."""

import ctypes
import hashlib
import re
import subprocess
import tempfile
from pathlib import Path

# The same code as the build makes: C++14, no fast math. A function without __device__ is one for the host, which only
# headers shared with the host have; nvcc, which compiles every kernel in CI too, keeps device code from calling one.
OPTIONS = ("--std=c++14", "-default-device", "-DNDEBUG")
_INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)


class CompileError(Exception):
    pass


def sources(root, source):
    """`source` and every file of the repository that it may include (Paths), behind whatever condition."""
    found, todo = set(), [source]
    while todo:
        path = todo.pop()
        if path in found:
            continue
        found.add(path)
        todo += [root / name for name in _INCLUDE.findall(path.read_text()) if (root / name).is_file()]
    return sorted(found)


def _key(tools, root, source, arch):
    digest = hashlib.sha256(repr((arch, OPTIONS, tools.nvrtc.parents[3].name)).encode())
    shims = sorted(p for p in tools.includes[0].iterdir())
    for path in sources(root, source) + shims:
        digest.update(f"{path.name}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:32]


def compile_source(tools, root, source, arch):
    """The machine code for an arch as "sm_53" (an ELF file's bytes). Any word of the compiler is an error: warnings are
    errors."""
    return _compile(tools, root, source, arch, "CUBIN")


def compile_ptx(tools, root, source, arch):
    """The PTX for an arch as "compute_53", as text. Warnings are errors."""
    return _compile(tools, root, source, arch, "PTX").rstrip(b"\0").decode()


def _compile(tools, root, source, arch, kind):
    library = ctypes.CDLL(str(tools.nvrtc))
    program = ctypes.c_void_p()
    name = str(source.relative_to(root)) if source.is_relative_to(root) else str(source)
    if library.nvrtcCreateProgram(ctypes.byref(program), source.read_bytes(), name.encode(), 0, None, None) != 0:
        raise CompileError(f"{name}: NVRTC does not start")

    def output(size_of, get):
        size = ctypes.c_size_t()
        size_of(program, ctypes.byref(size))
        buffer = ctypes.create_string_buffer(size.value)
        get(program, buffer)
        return buffer.raw

    try:
        options = [f"--gpu-architecture={arch}", *OPTIONS, f"-I{root}", *(f"-I{path}" for path in tools.includes)]
        array = (ctypes.c_char_p * len(options))(*(o.encode() for o in options))
        status = library.nvrtcCompileProgram(program, len(options), array)
        log = output(library.nvrtcGetProgramLogSize, library.nvrtcGetProgramLog).rstrip(b"\0").decode().strip()
        if status != 0 or log:
            raise CompileError(f"{name} for {arch}: NVRTC says (warnings are errors)\n{log}")
        return output(getattr(library, f"nvrtcGet{kind}Size"), getattr(library, f"nvrtcGet{kind}"))
    finally:
        library.nvrtcDestroyProgram(ctypes.byref(program))


def disassemble(tools, elf):
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(elf)
        file.flush()
        done = subprocess.run([str(tools.nvdisasm), "-c", file.name], capture_output=True, text=True)
    if done.returncode != 0:
        raise CompileError(f"nvdisasm: {done.stderr.strip()}")
    return done.stdout


def compile_cached(tools, root, cache, source, arch):
    """(cubin bytes, disassembly) of `source` for `arch`, from `cache` where nothing that it is made of has changed."""
    stem = Path(cache) / "objects" / f"{source.stem}.{arch}.{_key(tools, root, source, arch)}"
    elf_path, text_path = stem.with_name(stem.name + ".cubin"), stem.with_name(stem.name + ".sass")
    if elf_path.is_file() and text_path.is_file():
        return elf_path.read_bytes(), text_path.read_text()
    elf = compile_source(tools, root, source, arch)
    text = disassemble(tools, elf)
    stem.parent.mkdir(parents=True, exist_ok=True)
    for old in stem.parent.glob(f"{source.stem}.{arch}.*"):
        old.unlink(missing_ok=True)
    elf_path.write_bytes(elf)
    text_path.write_text(text)
    return elf, text
