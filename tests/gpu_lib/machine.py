"""What this machine is: the GPU and its clocks, the driver, the compilers, the commit."""

import datetime
import glob
import os
import shutil
import subprocess
import sys

from gpu_lib.runner import CAPTURED

FIELDS = [
    "name",
    "compute_cap",
    "driver_version",
    "memory.total",
    "memory.free",
    "clocks.sm",
    "clocks.mem",
    "clocks.max.sm",
    "clocks.max.mem",
    "power.limit",
    "temperature.gpu",
]


def text_of(command, limit_s=20):
    """Output of a command, or '' where it is missing or fails."""
    try:
        return subprocess.run(command, **CAPTURED, timeout=limit_s, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def parse_smi(text):
    """The first line of nvidia-smi's CSV as a dict; None when it is no such line."""
    lines = text.splitlines()
    values = [value.strip() for value in lines[0].split(",")] if lines else []
    return dict(zip(FIELDS, values)) if len(values) == len(FIELDS) else None


def query_gpu():
    """None where there is no NVIDIA GPU that nvidia-smi sees."""
    return parse_smi(text_of(["nvidia-smi", "--query-gpu=" + ",".join(FIELDS), "--format=csv,noheader,nounits"]))


def architecture(gpu):
    """'9.0' -> '90'."""
    major, minor = gpu["compute_cap"].split(".")
    return "%d%d" % (int(major), int(minor))


def slug(name):
    """'NVIDIA GeForce RTX 2080 Ti' -> 'geforce-rtx-2080-ti'."""
    words = "".join(c.lower() if c.isalnum() else " " for c in name).split()
    return "-".join(word for word in words if word != "nvidia") or "unknown"


def workers(cores, gpu_free_mib):
    """Processes at a time: each has a CUDA context and its tensors, about a GiB of GPU memory."""
    return max(1, min(cores, int(gpu_free_mib / 1024)))


def library_path():
    """Folders of CUDA's and cuDNN's libraries, those of Python packages included."""
    folders = glob.glob("/usr/local/cuda/lib64") + glob.glob("/usr/local/cuda/lib")
    for place in sys.path + glob.glob("/opt/*/.venv/lib/python3*/site-packages"):
        folders += glob.glob(os.path.join(place, "nvidia", "*", "lib"))
    return folders


def cudnn_root():
    """A folder with include/cudnn.h and lib/, from the Python package, or ''."""
    for place in sys.path:
        root = os.path.join(place, "nvidia", "cudnn")
        if os.path.exists(os.path.join(root, "include", "cudnn.h")):
            return root
    return ""


def find_tool(name):
    """Path of a CUDA tool, or None."""
    found = shutil.which(name)
    if found:
        return found
    candidates = glob.glob("/usr/local/cuda*/bin/" + name) + glob.glob("/usr/local/cuda*/compute-sanitizer/" + name)
    return candidates[0] if candidates else None


def cpu_name():
    try:
        with open("/proc/cpuinfo") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return "unknown"


def describe(root, gpu, programs):
    """The block that every result file carries."""
    nvcc = find_tool("nvcc")
    commit = text_of(["git", "-C", root, "rev-parse", "HEAD"])
    dirty = bool(text_of(["git", "-C", root, "status", "--porcelain", "--untracked-files=no"]))
    tsugi = programs.get("tsugi")
    return {
        "gpu": gpu,
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        "commit": commit,
        "uncommitted_changes": dirty,
        "tsugi": text_of([tsugi, "--version"]) if tsugi else "",
        "date": datetime.date.today().isoformat(),
        "nvcc": text_of([nvcc, "--version"]).splitlines()[-1:] if nvcc else [],
        "compiler": text_of(["c++", "--version"]).splitlines()[:1],
    }
