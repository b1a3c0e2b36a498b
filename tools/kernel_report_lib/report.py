"""The report's lines: a flat record a kernel, architecture and device that measured it, from rows alone; chosen and sorted."""

import chips
import estimate
import measured
import registry
from wording import instructions, natural

ABOUT = "Derived from machine code, not measured: what the hot loop allows at best."
LEGEND = (
    "predicted: share of the peak of the kernel's type, an upper bound, and what sets it. Latency, bank conflicts, the caches' bandwidth, what "
    "is outside of the hot loop and tiles filled in part come on top; at 100 % latency decides.",
    "no broadcast: the same if shared memory delivered every lane's bytes by themselves. no cache: what memory's nominal bandwidth allows if "
    "every global load went there.",
    "bytes a FLOP: requested by the lanes; distinct: what lanes of a warp share counts once; global: of the tile where its loads are "
    "outside of the hot loop.",
)
MEASURED_LEGEND = (
    "measured: share of the peak that the same run measured, caches warm; median and best of the shapes. A ratio to the prediction (in the "
    "terminal: of the best) above 1 says that the prediction or the peak is wrong. dram: bytes a FLOP of the best shape, inputs and outputs once."
)
# Key, heading, unit and whether it is measured, in the order of page and CSV. JSON has the keys, too.
COLUMNS = (
    ("arch", "architecture", "text", False),
    ("kernel", "kernel", "text", False),
    ("predicted", "predicted %", "share", False),
    ("limited_by", "predicted: limited by", "text", False),
    ("best", "best %", "share", True),
    ("median", "median %", "share", True),
    ("best_over_predicted", "best / predicted", "ratio", True),
    ("median_over_predicted", "median / predicted", "ratio", True),
    ("shapes", "shapes", "count", True),
    ("best_shape", "best shape", "text", True),
    ("dram_bytes_per_flop", "dram B/FLOP", "ratio", True),
    ("device", "measured on", "text", True),
    ("share_percent", "% of slots", "percent", False),
    ("math", "multiply-add", "text", False),
    ("slots", "slots", "count", False),
    ("registers", "registers", "count", False),
    ("shared", "shared", "bytes", False),
    ("threads", "threads", "count", False),
    ("occupancy_percent", "occupancy %", "percent", False),
    ("occupancy_limit", "occupancy: limited by", "text", False),
    ("shared_bytes_per_flop", "shared B/FLOP", "ratio", False),
    ("shared_distinct_bytes_per_flop", "distinct B/FLOP", "ratio", False),
    ("global_bytes_per_flop", "global B/FLOP", "ratio", False),
    ("without_broadcasts", "no broadcast %", "share", False),
    ("uncached", "no cache %", "share", False),
    ("instructions", "hot loop", "text", False),
)
_MIX = (
    ("math", ("FFMA", "HFMA2", "HMMA")),
    ("shared", ("LDS", "STS", "LDSM")),
    ("global", ("LDG", "STG")),
    ("integer", ("integer",)),
)
SORTS = {
    "name": None,
    "predicted": "predicted",
    "share": "share_percent",
    "slots": "slots",
    "registers": "registers",
    "shared": "shared",
    "occupancy": "occupancy_percent",
    "shared-bytes": "shared_bytes_per_flop",
    "global-bytes": "global_bytes_per_flop",
    "no-cache": "uncached",
    "median": "median",
    "best": "best",
    "ratio": "best_over_predicted",
}


def mix(hot):
    """Percent of a hot loop's instructions by what they do; the rest is "other"."""
    total = sum(hot["counts"].values())
    parts = {
        name: sum(count for kind, count in hot["counts"].items() if kind.split(".")[0] in stems) for name, stems in _MIX
    }
    parts["other"] = total - sum(parts.values())
    return {name: 100.0 * count / total for name, count in parts.items()}


def _static(name, arch, row, kernel, device):
    hot = row["hot"]
    record = {
        "arch": arch,
        "kernel": name,
        "rows": kernel.rows if kernel else [],
        **{key: row[key] for key in ("file", "registers", "shared", "threads", "blocks", "local", "spills")},
        "occupancy_percent": row["occupancy"],
        "occupancy_limit": row["limit"],
    }
    if hot:
        record.update({key: hot[key] for key in ("math", "slots", "counts")})
        record.update(share_percent=hot["share"], instructions=instructions(hot), mix=mix(hot))
    record.update(kernel and estimate.estimate(kernel, arch, row, device) or {})
    return record


def _with(record, measurement):
    """A record beside a measurement. No ratio where the code that was measured is another architecture's."""
    best, predicted = measurement["shapes"][0], record.get("predicted") if measurement["own"] else None
    return {
        **record,
        **{key: measurement[key] for key in ("files", "numbers", "median", "best")},
        "device": measurement["device"] + ("" if measurement["own"] else " (elsewhere)"),
        "elsewhere": not measurement["own"],
        "shapes": len(measurement["shapes"]),
        "best_over_predicted": predicted and measurement["best"] / predicted,
        "median_over_predicted": predicted and measurement["median"] / predicted,
        "best_shape": best["shape"],
        "dram_bytes_per_flop": best["dram_bytes_per_flop"],
        "measurements": measurement["shapes"],
    }


def records(root, rows, files=(), all_kernels=False):
    """([record], [note]). rows: {(name, arch): row}; files: results.ResultFile. Without all_kernels: the registry's."""
    devices = {arch: chips.device(root, arch) for arch in chips.CHIPS}
    found, notes = measured.join(list(rows), files, list(chips.CHIPS))
    made = []
    for (name, arch), row in rows.items():
        kernel = registry.kernel_of(name)
        if kernel is None and not all_kernels:
            continue
        record = _static(name, arch, row, kernel, devices[arch])
        made += [_with(record, measurement) for measurement in found.get((name, arch), [])] or [record]
    return made, notes


def choose(made, architectures, words, sort):
    """Those of the architectures whose name, architecture and device hold all words; by name, or by a column from high to low."""

    def fits(record):
        text = f"{record['arch']} {record['kernel']} {record.get('device', '')}".lower()
        return record["arch"] in architectures and all(word in text for word in words.lower().split())

    key = SORTS[sort]
    chosen = sorted(
        filter(fits, made), key=lambda record: (record["arch"], natural(record["kernel"]), record.get("device", ""))
    )
    if key:
        chosen.sort(key=lambda record: (record["arch"], record.get(key) is None, -(record.get(key) or 0.0)))
    return chosen


def has_measurements(made):
    return any("device" in record for record in made)


def legend(made):
    return [*LEGEND, *([MEASURED_LEGEND] if has_measurements(made) else [])]
