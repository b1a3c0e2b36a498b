"""Whether a file that a job left is whole, and what two runs of a job must have in common in it: everything but what
clocks decide."""

import hashlib
import io
import json
import re
import tarfile

from world import support

# What clocks decide, or the process: left out where two runs are compared.
CLOCK = re.compile(
    r"wall_s|elapsed_s|.*seconds.*|started|ended|date|created|finished|.*_per_s|.*memory.*|sha256|temporary|run|"
    r"((bundle|checkpoint)_)?bytes"  # of files that hold times
)


def without_clock(value):
    if isinstance(value, dict):
        return {key: without_clock(part) for key, part in value.items() if not CLOCK.fullmatch(key)}
    return [without_clock(part) for part in value] if isinstance(value, list) else value


def safetensors(data):
    header, body = support.parse_safetensors(data)
    found = re.search(rb'"sha256":"([0-9a-f]{64})"', data)
    if found:
        blank = data[: found.start(1)] + b"0" * 64 + data[found.end(1) :]
        if hashlib.sha256(blank).hexdigest().encode() != found[1]:
            raise ValueError("its digest does not fit")
    metadata = {}
    for key, text in header.pop("__metadata__", {}).items():
        if not CLOCK.fullmatch(key):
            metadata[key] = without_clock(json.loads(text)) if text[:1] in "{[" else text
    return metadata, header, body


def bundle(data):
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        members = {member.name: tar.extractfile(member).read() for member in tar}
    members.pop("manifest.json")  # it has the others' digests
    return {name: safetensors(part) if name.endswith(".safetensors") else part for name, part in members.items()}


def lines_of_json(name, data, measures):
    if not data.endswith(b"\n"):
        raise ValueError("does not end with a line's end")
    value = [json.loads(line) for line in data.splitlines()] if name.endswith("l") else json.loads(data)
    if name.endswith("audit.json"):
        # An earlier output that is read is not there in every case: a run that goes on takes its metrics' times from it.
        read = [use for use in value["read"] if not use["path"].startswith("out/")]
        return sorted([use["path"], use["role"]] for use in read + value["written"])
    if name.endswith("profile.json"):
        return len(value["traceEvents"]) > 0
    return None if measures else without_clock(value)


def ends_with(data, end):
    if not data.rstrip().endswith(end):
        raise ValueError("does not end with its last tag")


def essence(name, data, measures=False):
    """What two runs of a job must have in common in this file. Throws where `data` is no whole file of its kind."""
    if name.endswith("out/stdout"):
        return None if measures else without_clock(json.loads(data.decode().splitlines()[-1]))
    if name.endswith((".json", ".jsonl")):
        return lines_of_json(name, data, measures)
    if name.endswith(".html"):
        return ends_with(data, b"</html>")
    if name.endswith(".svg"):
        return ends_with(data, b"</svg>")
    if name.endswith(".png"):
        return ends_with(data, b"IEND\xaeB\x60\x82")
    if name.endswith((".gp", "timing.csv")):  # clocks are in there
        return data.count(b"\n")
    if name.endswith((".csv", ".jpg", ".lock")):
        return data
    return bundle(data) if name.endswith(".tar") else safetensors(data)


def difference(expected, found):
    """Where two essences part, in words; "" where they are the same."""
    if expected == found:
        return ""
    if isinstance(expected, dict) and isinstance(found, dict):
        pairs = [(key, expected.get(key), found.get(key)) for key in (*expected, *found)]
    elif isinstance(expected, (list, tuple)) and isinstance(found, (list, tuple)) and len(expected) == len(found):
        pairs = list(zip(range(len(expected)), expected, found))
    else:
        return f": {str(found)[:80]}, {str(expected)[:80]} expected"
    return next(f" [{key}]{difference(one, other)}" for key, one, other in pairs if one != other)
