"""The compiler and the disassembler, from PyPI: fetched once by pip, checked by SHA-256, unpacked into a cache folder."""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
REQUIREMENTS = HERE / "requirements.txt"
# What is kept of the wheels: 130 MB of 580.
_WANTED = (
    "nvidia/cuda_nvrtc/lib/",
    "nvidia/cuda_runtime/include/",
    "nvidia/cuda_nvcc/include/",
    "triton/third_party/cuda/bin/nvdisasm",
)


class Unavailable(Exception):
    """The tools cannot be had here: the caller skips."""


class Tools:
    def __init__(self, root):
        self.nvrtc = root / "nvidia/cuda_nvrtc/lib/libnvrtc.so.11.2"
        self.includes = [HERE / "include", root / "nvidia/cuda_runtime/include", root / "nvidia/cuda_nvcc/include"]
        self.nvdisasm = root / "triton/third_party/cuda/bin/nvdisasm"


def _pip():
    for python in (sys.executable, "python3", "/usr/bin/python3"):
        probe = subprocess.run([python, "-m", "pip", "--version"], capture_output=True)
        if probe.returncode == 0:
            return [python, "-m", "pip"]
    raise Unavailable("python3 has no pip (install python3-pip)")


def fetch(cache):
    """The tools, unpacked under `cache` (a Path). Throws Unavailable where they cannot be downloaded or do not run."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        raise Unavailable(f"the compilers are for x86_64 Linux, this is {sys.platform} on {platform.machine()}")
    digest = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:16]
    root = cache / f"tools-{digest}"
    if root.is_dir():
        return Tools(root)
    wheels, partial = cache / f"wheels-{os.getpid()}", cache / f"partial-{os.getpid()}"
    wheels.mkdir(parents=True)
    try:
        print(
            "downloading NVRTC 11.8, its headers and nvdisasm 12.3 (in triton 2.2.0) from PyPI: 212 MB, pinned by SHA-256",
            flush=True,
        )
        options = "--quiet --no-cache-dir --no-deps --require-hashes --only-binary=:all: --implementation cp"
        target = "--platform manylinux2014_x86_64 --python-version 311 --abi cp311 --abi none"
        command = [*_pip(), "download", *options.split(), *target.split(), "--dest", str(wheels)]
        command += ["--requirement", str(REQUIREMENTS)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            if "HASHES" in done.stderr:
                raise RuntimeError(f"PyPI gave other files than requirements.txt pins:\n{done.stderr}")
            raise Unavailable("pip could not download from PyPI:\n" + "\n".join(done.stderr.splitlines()[-3:]))
        for wheel in sorted(wheels.glob("*.whl")):
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(partial, [n for n in archive.namelist() if n.startswith(_WANTED)])
        (partial / "triton/third_party/cuda/bin/nvdisasm").chmod(0o755)
        partial.rename(root)
    finally:
        shutil.rmtree(wheels, ignore_errors=True)
        shutil.rmtree(partial, ignore_errors=True)
    return Tools(root)
