"""The programs: built for this GPU, found in a build folder, or packed into a folder for a machine that cannot build."""

import os
import shutil
import subprocess

from gpu_lib import machine
from gpu_lib.runner import run_command

# Program: its place in a build folder.
PLACES = {
    "test_gpu_device": "tests/gpu_device/test_gpu_device",
    "bench_gpu_step": "bench/gpu/bench_gpu_step",
    "tsugi": "tsugi",
}
TARGETS = ["test_gpu_device", "bench_gpu_step", "tsugi_cli"]
# Of the C library and the driver: the machine's own.
SYSTEM_LIBRARIES = (
    "libc.so",
    "libm.so",
    "libdl.so",
    "libpthread.so",
    "librt.so",
    "ld-linux",
    "linux-vdso",
    "libcuda.so",
)
VENDOR_LIBRARIES = ("libcudnn", "libcublas", "libcudart", "libnvrtc")


def find(folder):
    """{program: path}; throws FileNotFoundError naming what is missing."""
    programs = {name: os.path.join(folder, place) for name, place in PLACES.items()}
    if not os.path.exists(programs["test_gpu_device"]):  # a packed folder is flat
        programs = {name: os.path.join(folder, name) for name in PLACES}
    missing = [path for path in programs.values() if not os.path.exists(path)]
    if missing:
        raise FileNotFoundError("not built: " + ", ".join(missing))
    return programs


def configure_command(root, folder, architecture, march):
    """architecture: '75'. For 53;75;90 at once use the preset cuda-all; one is built faster."""
    command = [
        "cmake",
        "-S",
        root,
        "-B",
        folder,
        "-DCMAKE_BUILD_TYPE=Release",
        "-DTSUGI_CUDA=ON",
        "-DTSUGI_CUDA_ARCHITECTURES=" + architecture,
        "-DTSUGI_BUILD_BENCH=OFF",
        "-DTSUGI_MARCH=" + march,
    ]
    if shutil.which("ninja"):
        command += ["-G", "Ninja"]
    nvcc = machine.find_tool("nvcc")
    if nvcc:
        command.append("-DCMAKE_CUDA_COMPILER=" + nvcc)
    if machine.cudnn_root():
        command.append("-DTSUGI_CUDNN_ROOT=" + machine.cudnn_root())
    return command


def build(root, folder, architecture, march, limit_s, log_dir):
    """Configures and builds. Returns '' or what went wrong."""
    output = ""
    for command in (
        configure_command(root, folder, architecture, march),
        ["cmake", "--build", folder, "-j", str(os.cpu_count()), "--target"] + TARGETS,
    ):
        code, text, late = run_command(command, limit_s)
        output += text
        with open(os.path.join(log_dir, "build.log"), "w") as file:
            file.write(output)
        if late:
            return "stopped after %.0f s" % limit_s
        if code != 0:
            errors = [line for line in text.splitlines() if "error" in line.lower()]
            return errors[0][:300] if errors else "exit status %d" % code
    return ""


def parse_ldd(output):
    """{name: path} of the libraries that a program loads and that are neither the system's nor CUDA's."""
    libraries = {}
    for line in output.splitlines():
        words = line.split()
        if len(words) >= 3 and words[1] == "=>" and words[2].startswith("/"):
            if not words[0].startswith(SYSTEM_LIBRARIES + VENDOR_LIBRARIES):
                libraries[words[0]] = words[2]
    return libraries


def pack(build_folder, to):
    """Copies the programs, stripped, and the libraries that they need beside CUDA's into `to`. Returns its size in bytes."""
    os.makedirs(os.path.join(to, "lib"), exist_ok=True)
    for name, path in find(build_folder).items():
        subprocess.run(["strip", "-o", os.path.join(to, name), path], check=True)
        for library, place in parse_ldd(machine.text_of(["ldd", path])).items():
            shutil.copy(place, os.path.join(to, "lib", library))
    return sum(os.path.getsize(os.path.join(folder, name)) for folder, _, names in os.walk(to) for name in names)


def environment(folder):
    """For running: libraries of a packed folder, then CUDA's."""
    paths = [os.path.join(folder, "lib")] + machine.library_path()
    old = os.environ.get("LD_LIBRARY_PATH", "")
    return dict(
        os.environ, LD_LIBRARY_PATH=":".join([path for path in paths if os.path.isdir(path)] + ([old] if old else []))
    )
