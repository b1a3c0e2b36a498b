"""What is known about the chips that kernels are compiled for, each figure with its source; none of it was measured here."""

import json

# threads .. block_registers: a multiprocessor's, and the registers of one block, by NVIDIA's cuda_occupancy.h.
# schedulers: warp schedulers of a multiprocessor, each of which issues one instruction a clock (sm_53: two where nvdisasm pairs them).
# interval: clocks for which an instruction of a warp keeps its scheduler's lanes busy.
# shared_bytes: a clock, from shared memory to registers: 32 banks of 32 bits (CUDA C++ Programming Guide, "Compute Capability 5.x" and
#   "7.x", "Shared Memory"; of 7.0 to 7.5 NVIDIA says so too: https://forums.developer.nvidia.com/t/77228).
# reached: of the lanes' peak, where the slots that are left must hide latency: what well-staged CUDA C++ reached by the literature;
#   1 where slots decide.
# device: the description in bench/plan/devices that has the chip's peaks and its memory's bandwidth, with their sources.
CHIPS = {
    # 4 x 32 float lanes; HFMA2 in the same lanes, two products each (NVIDIA, Tegra X1 white paper).
    "sm_53": {
        "threads": 2048,
        "blocks": 32,
        "registers": 65536,
        "shared": 65536,
        "block_registers": 32768,
        "schedulers": 4,
        "interval": {"FFMA": 1, "HFMA2": 1},
        "shared_bytes": 128,
        "reached": 1.0,
        "device": "jetson-nano",
    },
    # 4 x 16 float lanes, HFMA2 at twice the rate of float32, matrix units with float32 sums at half their rate on GeForce
    # (NVIDIA, Turing architecture white paper). HMMA: HMMA.1688.F32, the only one that the kernels use.
    "sm_75": {
        "threads": 1024,
        "blocks": 16,
        "registers": 65536,
        "shared": 65536,
        "block_registers": 65536,
        "schedulers": 4,
        "interval": {"FFMA": 2, "HFMA2": 2, "HMMA": 16},
        "shared_bytes": 128,
        "reached": 0.9,
        "device": "rtx-2080ti",
    },
}
# Of one instruction and lane; HMMA.1688 multiplies 16x8 by 8x8 for a warp.
FLOPS = {"FFMA": 2, "HFMA2": 4, "HMMA": 2 * 16 * 8 * 8 // 32}
_KINDS = {"f32": ("FFMA",), "f16": ("FFMA", "HFMA2", "HMMA")}


def peak_flops(arch, dtype):
    """FLOP a clock and multiprocessor: the fastest way that the chip has to multiply and add numbers of this type."""
    chip = CHIPS[arch]
    return max(
        chip["schedulers"] * 32 * FLOPS[kind] / chip["interval"][kind]
        for kind in _KINDS[dtype]
        if kind in chip["interval"]
    )


def device(root, arch):
    """{"name", "about", "peak": {type: GFLOP/s}, "bandwidth": GB/s} of the description that is shipped for this chip."""
    description = json.loads(
        (root / "bench/plan/devices" / (CHIPS[arch]["device"] + ".json")).read_text(encoding="utf-8")
    )
    limits = description["limits"]
    return {
        "name": description["name"],
        "about": description["about"],
        "bandwidth": limits["copy_gb_per_s"],
        "peak": {"f32": limits["f32_gflops"], "f16": max(limits["f16_gflops"], limits.get("f16_matrix_gflops", 0))},
    }
