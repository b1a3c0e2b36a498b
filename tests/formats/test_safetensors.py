"""Checkpoints from outside: read by nothing but the format's description, and by the safetensors package where it is
installed. Golden files always; files of the built program (TSUGI_BINARY) as well."""

import gzip
import hashlib
import io
import json
import os
import re
import struct
import subprocess
import sys
import tempfile

import numpy as np

DTYPES = {"F32": "<f4", "F16": "<f2", "I8": "i1", "U8": "u1"}


def parse(data):
    """(metadata, {name: array}) of a .safetensors file, by hand."""
    (length,) = struct.unpack("<Q", data[:8])
    assert length % 8 == 0, "the header is not padded to 8 bytes"
    header = json.loads(data[8 : 8 + length])
    metadata = header.pop("__metadata__", {})
    body = data[8 + length :]
    arrays, end = {}, 0
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        begin, stop = entry["data_offsets"]
        dtype = np.dtype(DTYPES[entry["dtype"]])
        assert begin == end and begin % dtype.itemsize == 0, f"{name}: hole, overlap or misalignment at {begin}"
        arrays[name] = np.frombuffer(body[begin:stop], dtype).reshape(entry["shape"])
        end = stop
    assert end == len(body), "bytes behind the last tensor"
    return metadata, arrays


def check_digest(data, metadata):
    blank = re.sub(rb'"sha256":"[0-9a-f]{64}"', b'"sha256":"' + b"0" * 64 + b'"', data, count=1)
    assert hashlib.sha256(blank).hexdigest() == metadata["sha256"], "the digest is not that of the file"


def same(a, b):
    return a.keys() == b.keys() and all(
        a[k].dtype == b[k].dtype and a[k].shape == b[k].shape and a[k].tobytes() == b[k].tobytes() for k in a
    )


def dequantised(arrays):
    """float32 arrays by name, from what a compact checkpoint holds."""
    if "packed" in arrays:
        _, arrays = parse(gzip.GzipFile(fileobj=io.BytesIO(arrays["packed"].tobytes())).read())
    result = {}
    for name, array in arrays.items():
        if array.dtype == np.int8:
            scale = arrays[name + ".scale"].astype(np.float32)
            result[name] = array.astype(np.float32) * scale.reshape((-1,) + (1,) * (array.ndim - 1))
        elif not name.endswith(".scale"):
            result[name] = array.astype(np.float32)
    return result


def read(path):
    with open(path, "rb") as file:
        data = file.read()
    metadata, arrays = parse(data)
    check_digest(data, metadata)
    assert metadata["format"] == "tsugi-checkpoint" and metadata["version"] == "1"
    try:
        from safetensors import safe_open
    except ImportError:
        return metadata, arrays
    with safe_open(path, framework="numpy") as file:
        assert file.metadata() == metadata, "safetensors reads other metadata"
        assert same({name: file.get_tensor(name) for name in file.keys()}, arrays), "safetensors reads other arrays"
    return metadata, arrays


def golden(shape, t):
    count = int(np.prod(shape))
    return (((37 * np.arange(count) + 11 * t) % 64 - 32) / 16).astype("<f4").reshape(shape)


def check_golden(folder):
    expected = {
        "conv1.weight": golden((4, 3, 3, 2), 0),
        "conv1.bias": golden((4,), 1),
        "bn1.running_mean": golden((4,), 2),
    }
    moments = {"momentum/conv1.weight": golden((4, 3, 3, 2), 3), "momentum/conv1.bias": golden((4,), 4)}
    metadata, full = read(f"{folder}/golden_checkpoint_full.safetensors")
    assert same(full, {**expected, **moments}), "the full checkpoint holds other arrays"
    assert json.loads(metadata["class_names"]) == ["Ana", "Börk"]
    assert json.loads(metadata["progress"]) == {"seed": 1, "epoch": 2, "batch": 3, "step": 4}
    _, half = read(f"{folder}/golden_checkpoint_fp16.safetensors")
    assert all(array.dtype == np.float16 for array in half.values())
    assert same(dequantised(half), expected), "the fp16 checkpoint holds other arrays"
    _, packed = read(f"{folder}/golden_checkpoint_int8.safetensors")
    check_close(dequantised(packed), expected)


def check_close(found, expected):
    assert found.keys() == expected.keys(), f"{found.keys()} instead of {expected.keys()}"
    for name, array in expected.items():
        rows = array.reshape(len(array), -1)
        # int8: half a step of the row's scale and its rounding to float16; float16: 11 bits.
        bound = np.abs(rows).max(axis=1, keepdims=True) * (0.57 / 127) + 1e-7
        assert (np.abs(found[name].reshape(rows.shape) - rows) <= bound).all(), f"{name} is too far off"


def check_program(binary):
    with tempfile.TemporaryDirectory() as folder:

        def tsugi(*arguments):
            subprocess.run([binary, *arguments, "--quiet"], cwd=folder, check=True, stdout=subprocess.DEVNULL)

        tsugi("synth", "people", "--people", "3", "--photos", "6", "--size", "64")
        tsugi(
            "pretrain",
            "people",
            "-o",
            "full",
            "--epochs",
            "1",
            "--batch",
            "8",
            "--augment",
            "1",
            "--model",
            "faces-mobile",
            "--size",
            "32",
        )
        for kind in ("fp16", "int8"):
            tsugi("compact", "full", "--as", kind, "-o", kind)
        metadata, full = read(f"{folder}/full")
        assert metadata["kind"] == "full" and len(json.loads(metadata["class_names"])) == 3
        assert any(name.startswith("momentum/") for name in full), "no moments in a full checkpoint"
        weights = {name: array for name, array in full.items() if "/" not in name}
        for kind in ("fp16", "int8"):
            metadata, arrays = read(f"{folder}/{kind}")
            assert metadata["kind"] == kind
            check_close(dequantised(arrays), weights)
        size = {kind: os.path.getsize(f"{folder}/{kind}") for kind in ("full", "fp16", "int8")}
        print(
            f"faces-mobile, 3 people: full {size['full']} bytes, fp16 {size['fp16'] / size['full']:.4f}, "
            f"int8 {size['int8'] / size['full']:.4f} of it"
        )


def main():
    try:
        import safetensors

        print(f"safetensors {safetensors.__version__} reads every file as well")
    except ImportError:
        print("the safetensors package is not installed: files are read by the format's description only")
    check_golden(os.environ["TSUGI_TEST_DATA"])
    binary = os.environ.get("TSUGI_BINARY", "")
    if os.path.exists(binary):
        check_program(binary)
    else:
        print("no TSUGI_BINARY: golden files only")


if __name__ == "__main__":
    sys.exit(main())
