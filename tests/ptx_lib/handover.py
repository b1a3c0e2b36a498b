"""A whole hand-over by command line on the interpreted device, beside the same on the CPU."""

import json
import os
import subprocess
import tempfile
from pathlib import Path

MODEL = {
    "name": "small",
    "training": {"lr": 0.02},
    "input": [16, 16, 3],
    "layers": [
        {"type": "conv2d", "name": "conv1", "filters": 16, "kernel": 3, "pad": 1},
        {"type": "batch_norm", "name": "bn1"},
        {"type": "relu"},
        {"type": "conv2d", "name": "conv2", "filters": 32, "kernel": 3, "stride": 2, "pad": 1},
        {"type": "batch_norm", "name": "bn2"},
        {"type": "relu"},
        {"type": "dropout", "rate": 0.2},
        {"type": "global_average_pool"},
        {"type": "flatten"},
        {"type": "dense", "name": "head", "units": "classes"},
    ],
}
TRAIN = ("--epochs", "2", "--augment", "2", "--batch", "8", "--threads", "1", "--precision", "fp32")
LOSS = 1e-4  # relative: both sides round differently


class Failed(Exception):
    pass


def run(root, environment):
    """(passed, what was said)."""
    log = []
    with tempfile.TemporaryDirectory(prefix="tsugi-ptx-") as name:
        folder = Path(name)
        (folder / "small.json").write_text(json.dumps(MODEL))

        def tsugi(*words):
            command = [str(root / "build/ptx/tsugi"), *map(str, words)]
            done = subprocess.run(
                command,
                cwd=folder,
                capture_output=True,
                text=True,
                env=dict(os.environ, OMP_NUM_THREADS="1", TSUGI_TUNING="off", **environment),
            )
            log.append(f"$ tsugi {' '.join(map(str, words))}\n{done.stdout}{done.stderr}")
            if done.returncode != 0:
                raise Failed(f"exit status {done.returncode}")
            return json.loads(done.stdout.strip().splitlines()[-1]) if "--json" in words else None

        def losses(file):
            rows = map(json.loads, (folder / file).read_text().splitlines())
            return [row["loss"] for row in rows if row["loss"] is not None]  # none before the first step

        try:
            tsugi("synth", "people", "--people", 4, "--photos", 8, "--size", 48)
            (folder / "person").mkdir()
            chosen = sorted(path for path in (folder / "people").iterdir() if path.is_dir())[0]
            chosen.rename(folder / "person" / chosen.name)
            results = {}
            for device in ("cuda", "cpu"):
                on = ("--device", device, "--quiet", "--json")
                server, bundle, own = (f"{device}.{end}" for end in ("safetensors", "tar", "own.safetensors"))
                trained = tsugi(
                    "pretrain",
                    "people",
                    "--model",
                    "small.json",
                    "-o",
                    server,
                    "--metrics",
                    f"{device}.jsonl",
                    *TRAIN,
                    *on,
                )
                if trained["device"] != device:
                    raise Failed(f"trained on {trained['device']}, not on {device}")
                tsugi("bundle", server, "--photos", "people", "--fraction", 0.5, "-o", bundle, *on)
                resumed = tsugi(
                    "resume", bundle, "--personal", "person", "-o", own, "--metrics", f"{device}.own.jsonl", *TRAIN, *on
                )
                looked = tsugi("eval", own, "--photos", "people", "--all", *on)
                results[device] = {
                    "losses": losses(f"{device}.jsonl") + losses(f"{device}.own.jsonl") + [looked["loss"]],
                    "accuracies": [trained["accuracy"], resumed["accuracy"], looked["accuracy"]],
                }
            for name, bound in (("losses", LOSS), ("accuracies", 0.0)):
                got, want = results["cuda"][name], results["cpu"][name]
                if len(got) != len(want) or not all(abs(g - w) <= bound * abs(w) for g, w in zip(got, want)):
                    raise Failed(f"{name}: cuda {got}, cpu {want}")
            log.append(f"equal to the CPU's: {results}")
        except Failed as failure:
            log.append(str(failure))
            return False, "\n".join(log)
    return True, "\n".join(log)
