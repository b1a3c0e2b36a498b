"""The program with the interpreter in it, and the PTX that it runs: nvcc's for sm_75, NVRTC 11.8's for sm_53."""

import hashlib
import os
import shutil
import subprocess
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import compiled
import nvrtc
import toolchain

Unavailable = toolchain.Unavailable


def nvcc():
    """The path of nvcc, or None."""
    return os.environ.get("CUDACXX") or shutil.which("nvcc") or shutil.which("/usr/local/cuda/bin/nvcc")


def build(root, jobs):
    """Configures and builds preset ptx: the device tests and the command line."""
    environment = dict(os.environ, CUDACXX=nvcc())
    targets = ("--target", "test_gpu_device", "test_ptx_runtime", "tsugi_cli")
    for command in (
        ("cmake", "--preset", "ptx"),
        ("cmake", "--build", "--preset", "ptx", "-j", str(jobs), *targets),
    ):
        subprocess.run(command, cwd=root, env=environment, check=True)


def embedded(object_file):
    """The PTX that nvcc put into an object file, uncompressed; None where there is none."""
    data = object_file.read_bytes()
    begin = data.find(b".version ")
    return None if begin < 0 else data[begin : data.index(b"\0", begin)].decode()


def _compile(tools, root, source, folder):
    """Writes FOLDER/<source>.ptx unless it is there for the same sources, and returns the compiler's complaint or None."""
    digest = hashlib.sha256()
    for path in nvrtc.sources(root, source):
        digest.update(path.read_bytes())
    target, key = folder / f"{source.stem}.ptx", folder / f"{source.stem}.key"
    if target.is_file() and key.is_file() and key.read_text() == digest.hexdigest():
        return None
    try:
        target.write_text(nvrtc.compile_ptx(tools, root, source, "compute_53"))
    except nvrtc.CompileError as error:
        return str(error)
    key.write_text(digest.hexdigest())
    return None


def folder(root, arch, jobs):
    """The folder with a .ptx file a source of kernels/cuda. Throws Unavailable where the compiler cannot be had."""
    made = root / "build/ptx" / f"sm_{arch}"
    made.mkdir(parents=True, exist_ok=True)
    if arch == "75":
        for path in sorted((root / "build/ptx/kernels/cuda/CMakeFiles/tsugi_cuda.dir").glob("*.cu.o")):
            text, target = embedded(path), made / f"{path.name[: -len('.cu.o')]}.ptx"
            if text is None:
                raise RuntimeError(f"{path} embeds no PTX as text: was it built with preset ptx?")
            if not target.is_file() or target.read_text() != text:
                target.write_text(text)
        return made
    tools = toolchain.fetch(Path(compiled.cache_folder(root)))
    sources = sorted((root / "kernels/cuda").glob("*.cu"), key=lambda path: -path.stat().st_size)
    with ProcessPoolExecutor(max_workers=jobs) as pool:
        errors = [e for e in pool.map(_compile, *zip(*((tools, root, source, made) for source in sources))) if e]
    if errors:
        raise RuntimeError("\n".join(errors))
    return made
