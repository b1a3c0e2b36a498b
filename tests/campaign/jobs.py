"""Every command that writes, as small as it gets: what the campaigns run, in a folder of their own (world.py).
Outputs lie below out/; inputs, which never change, below in/."""

FIFTH = "Tiji_Vejile"  # whom `synth --first 5` draws

MODEL = {
    "name": "small",
    "training": {"lr": 0.05},
    "input": [16, 16, 3],
    "layers": [
        {"type": "conv2d", "name": "conv1", "filters": 4, "kernel": 3, "stride": 2, "pad": 1},
        {"type": "batch_norm", "name": "bn1"},
        {"type": "relu", "name": "out1"},
        {"type": "conv2d", "name": "conv2", "filters": 8, "kernel": 3, "stride": 2, "pad": 1},
        {"type": "batch_norm", "name": "bn2"},
        {"type": "relu", "name": "out2"},
        {"type": "dropout", "rate": 0.2},
        {"type": "global_average_pool"},
        {"type": "flatten"},
        {"type": "dense", "name": "head", "units": "classes"},
    ],
}
SHORT = "--epochs 2 --augment 2 --batch 8 --threads 1"
PRETRAIN = "pretrain in/people --model in/small.json"
FEATURES = "bundle in/server --photos in/people --fraction 0.5 --as features --cut out1 --threads 1"
HAND_OVER = "--personal in/new --epochs 1 --batch 16 --threads 1"
GRID = (
    "experiment handover --general in/few --personal in/one --people 2 --fractions 0.5 --seeds 1 --methods default "
    "--model in/small.json --epochs 1 --handover-epochs 1 --augment 2 --threads 1 -o out/report"
)
# What the jobs begin with, in order; in/half and in/photo.jpg come on top.
INPUTS = (
    "synth in/people --people 2 --photos 5 --size 32",
    "synth in/new --people 1 --photos 4 --size 32 --first 5",
    "synth in/few --people 2 --photos 2 --size 32",
    "synth in/one --people 1 --photos 2 --size 32 --first 5",
    f"{PRETRAIN} {SHORT} -o in/server",
    f"{PRETRAIN} {SHORT} --seed 9 -o in/other --metrics in/other.jsonl",
    "bundle in/server --photos in/people --fraction 0.5 --seed 3 -o in/photos.tar",
    f"{FEATURES} -o in/features.tar",
    "bundle in/server --photos in/people --fraction 0 -o in/none.tar",
    "resume in/none.tar --personal in/new --threads 1 -o in/alive",
    "bench --smoke --threads 1 --device cpu --no-peer -o in/ops.json",
    "bench --smoke --threads 1 --device cpu --no-peer -o in/ops2.json",
)


class Job:
    """A command, with the outputs that it names. `old`: {output: input}, what stands there before. `measures`: its
    figures differ every time. `once`: it refuses to run over its own result."""

    def __init__(self, name, command, outputs="", old=None, measures=False, once=False, audit=True):
        self.name, self.measures, self.once = name, measures, once
        self.command = [*command.split(), *(("--audit", "out/audit.json") if audit else ()), "--json"]
        self.outputs = [*outputs.split(), *(["out/audit.json"] if audit else [])]
        self.old = old or {}


def jobs():
    train, trained = "--metrics out/metrics.jsonl -o out/new", "out/new out/metrics.jsonl"
    old = {"out/new": "in/other", "out/metrics.jsonl": "in/other.jsonl"}
    bundle = {"out/bundle.tar": "in/photos.tar"}
    own = {"measures": True, "audit": False}
    return [
        Job("pretrain", f"{PRETRAIN} {SHORT} --checkpoint-every 1 {train}", trained, old),
        Job(
            "continue",
            f"pretrain in/people --continue in/half {train} --profile out/profile.json",
            f"{trained} out/profile.json",
            old,
        ),
        Job("bundle", "bundle in/server --photos in/people --fraction 0.5 -o out/bundle.tar", "out/bundle.tar", bundle),
        Job("features", f"{FEATURES} -o out/bundle.tar", "out/bundle.tar", bundle),
        Job("resume", f"resume in/photos.tar {HAND_OVER} --checkpoint-every 1 {train}", trained, old),
        Job("resume-features", f"resume in/features.tar {HAND_OVER} {train}", trained, old),
        Job(
            "resume-checkpoint",
            "resume in/alive --personal in/one --threads 1 -o out/new",
            "out/new",
            {"out/new": "in/other"},
        ),
        Job("forget", f"forget in/alive {FIFTH} -o out/new", "out/new", {"out/new": "in/other"}),
        Job("compact", "compact in/server --as int8 -o out/new", "out/new", {"out/new": "in/other"}),
        Job("synth", "synth out/people --people 2 --photos 2 --size 32", "out/people", once=True, audit=False),
        Job("experiment", GRID, "out/report", audit=False),
        Job(
            "tune",
            "tune --model in/small.json --batch 2 --threads 1 --device cpu --precision fp32 --budget 0.2s "
            "--tuning out/tuning.json",
            "out/tuning.json",
            **own,
        ),
        Job(
            "bench",
            "bench --step --smoke --model in/small.json --device cpu --threads 1 -o out/step.json",
            "out/step.json",
            {"out/step.json": "in/ops.json"},
            **own,
        ),
        Job(
            "compare",
            "bench --compare in/ops.json in/ops2.json --csv out/ops.csv --html out/ops.html",
            "out/ops.csv out/ops.html",
            audit=False,
        ),
        Job(
            "plan",
            "plan --device this --smoke --model in/small.json --threads 1 --save-device out/device.json",
            "out/device.json",
            **own,
        ),
        Job("eval", "eval in/server --photos in/people --threads 1"),
        Job("predict", "predict in/server in/photo.jpg in/people --threads 1"),
        Job("inspect", "inspect in/photos.tar"),
    ]
