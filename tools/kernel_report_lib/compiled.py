"""Every kernel of kernels/cuda, compiled for every architecture and read: what tests/machine_code checks and tools/kernel_report shows."""

import json
import os
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import nvrtc
import rows as reader
import toolchain

SKIPPED = 77  # exit status where the compilers cannot be had


def cache_folder(root):
    return (
        Path(os.environ["XDG_CACHE_HOME"]) / "tsugi"
        if os.environ.get("XDG_CACHE_HOME")
        else root / "build/machine_code"
    )


def _compile_one(tools, root, cache, source, arch):
    try:
        elf, text = nvrtc.compile_cached(tools, root, cache, source, arch)
        return reader.read(source.name, arch, elf, text), None
    except nvrtc.CompileError as error:
        return {}, str(error)


def read_all(root):
    """({(name, arch): row}, [error]). Throws toolchain.Unavailable."""
    cache = cache_folder(root)
    tools = toolchain.fetch(cache)
    sources = sorted((root / "kernels/cuda").glob("*.cu"), key=lambda path: -path.stat().st_size)
    tasks = [(source, arch) for source in sources for arch in reader.ARCHITECTURES]
    rows, errors = {}, []
    with ProcessPoolExecutor(max_workers=len(os.sched_getaffinity(0))) as pool:
        for made, error in pool.map(_compile_one, *zip(*[(tools, root, cache, *task) for task in tasks])):
            for key in made:
                if key in rows:
                    errors.append(f"{key[0]} on {key[1]}: in {rows[key]['file']} and in {made[key]['file']}")
            rows.update(made)
            errors += [error] if error else []
    return rows, errors


def read_json(path):
    """The rows that tests/machine_code_lib/table.py wrote to a file; none where there is no file."""
    if not path.is_file():
        return {}
    return {tuple(reversed(key.split(" ", 1))): row for key, row in json.loads(path.read_text()).items()}
