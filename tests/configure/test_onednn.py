#!/usr/bin/env python3
"""third_party/onednn.cmake takes the versions of oneDNN that the code is written for, and says of any other what to type."""

import os
import pathlib
import subprocess
import tempfile

SOURCE = pathlib.Path(os.environ["TSUGI_SOURCE_DIR"])
PROJECT = f"""cmake_minimum_required(VERSION 3.22)
project(onednn LANGUAGES CXX)
set(TSUGI_USE_ONEDNN ON)
include({SOURCE}/third_party/requirements.cmake)
find_package(Threads REQUIRED)
find_package(OpenMP REQUIRED COMPONENTS CXX)
include({SOURCE}/third_party/onednn.cmake)
message(STATUS "found=${{TSUGI_HAVE_ONEDNN}}")
"""
CALLS = {2: "dnnl_convolution_forward_desc_init", 3: "dnnl_convolution_forward_primitive_desc_create"}


def onednn(folder, headers, library_major):
    """A oneDNN that holds what the check looks at: the headers' version, and one call of the library's."""
    include = folder / "include/oneapi/dnnl"
    include.mkdir(parents=True)
    numbers = zip(("MAJOR", "MINOR", "PATCH"), headers.split("."))
    version = "".join(f"#define DNNL_VERSION_{name} {value}\n" for name, value in numbers)
    (include / "dnnl_version.h").write_text(version)
    calls = "".join(f'extern "C" void {call}();\n' for call in CALLS.values())
    (include / "dnnl.hpp").write_text(calls)
    (folder / "dnnl.cpp").write_text(f'extern "C" void {CALLS[library_major]}() {{}}\n')
    library = folder / "libdnnl.so"
    subprocess.run(["c++", "-shared", "-fPIC", "-o", library, folder / "dnnl.cpp"], check=True)
    return [f"-DTSUGI_ONEDNN_INCLUDE_DIR={folder}/include", f"-DTSUGI_ONEDNN_LIBRARY={library}"]


def configure(folder, *options):
    (folder / "CMakeLists.txt").write_text(PROJECT)
    run = subprocess.run(["cmake", "-S", folder, "-B", folder / "build", *options], capture_output=True, text=True)
    return run.returncode, " ".join((run.stdout + run.stderr).split())


def check(headers, library_major, *wanted):
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        status, output = configure(folder, *onednn(folder, headers, library_major))
        fails = "-DTSUGI_USE_ONEDNN=OFF" in wanted
        assert (status != 0) == fails, f"{headers}, library {library_major}: exit {status}: {output}"
        for part in wanted:
            assert part in output, f"{headers}, library {library_major}: no '{part}' in: {output}"


way_out = "-DTSUGI_USE_ONEDNN=OFF"
check("2.2.0", 2, "oneDNN 2.2.0: ", "found=1")
check("3.0.0", 3, "oneDNN 3.0.0: ", "found=1")
check("3.99.1", 3, "oneDNN 3.99.1: ", "found=1")
check("2.1.9", 2, "oneDNN 2.1.9", "is too old, 2.2 is the oldest", way_out)
check("1.8.0", 2, "oneDNN 1.8.0", "is too old, 2.2 is the oldest", way_out)
check("4.0.0", 3, "oneDNN 4.0.0", "is newer than this code, which knows 2.2 to 3.x", way_out)
check("2.7.3", 3, "the headers are 2.7.3", "the library is another version", "libdnnl.so", way_out)
check("3.2.0", 2, "the headers are 3.2.0", "the library is another version", "libdnnl.so", way_out)
check("", 2, "does not tell its version", way_out)
