"""PyTorch on the same GPU, where python3 has it: its best way to run each built-in model, beside bench_gpu_step."""

import json
import os
import subprocess
import sys
import tempfile

from gpu_lib.runner import CAPTURED, FAILED, OK, SKIPPED, Job, last_line

MODELS = ["faces-cnn", "faces-resnet", "faces-mobile"]


def torch_sees_gpu():
    """'' or why not."""
    code = "import torch; assert torch.cuda.is_available(), 'PyTorch sees no GPU'; print(torch.__version__)"
    try:
        done = subprocess.run([sys.executable, "-c", code], **CAPTURED, timeout=90)
    except subprocess.TimeoutExpired:
        return "importing torch took more than 90 s"
    return "" if done.returncode == 0 else last_line(done.stderr)


def judge(code, output):
    """The last line is the result."""
    try:
        result = json.loads(output.strip().splitlines()[-1])
    except (ValueError, IndexError):
        return FAILED, "exit status %d: %s" % (code, last_line(output))
    if code != 0 or not result.get("best"):
        return FAILED, "no mode ran: %s" % result.get("failures")
    return OK, "%s %.0f images/s" % (result["best"], result["best_images_per_s"])


def model_file(tsugi, model, folder):
    """Writes the model's description and returns its path."""
    text = subprocess.run([tsugi, "inspect", model, "--json"], check=True, **CAPTURED).stdout
    path = os.path.join(folder, model + ".json")
    with open(path, "w") as file:
        file.write(text)
    return path


def jobs(root, paths, output, env):
    """A warm-up that fills the compiler's cache while checks run, then each model alone, between two turns of ours."""
    problem = torch_sees_gpu()
    if problem:
        job = Job("pytorch", "import", [], 0)
        job.status, job.note = SKIPPED, problem
        return [job]
    folder = tempfile.mkdtemp(prefix="tsugi-models-")
    env = dict(env, TORCHINDUCTOR_CACHE_DIR=os.path.join(folder, "inductor"))
    script = os.path.join(root, "bench", "gpu", "torch_step.py")
    made = []
    for model in MODELS:
        try:
            description = model_file(paths["tsugi"], model, folder)
        except (OSError, ValueError, KeyError, IndexError, subprocess.SubprocessError) as error:
            job = Job("pytorch", model, [], 0)
            job.status, job.note = FAILED, "tsugi inspect: %s" % error
            made.append(job)
            continue
        peer = [sys.executable, script, description]
        made.append(
            Job(
                "pytorch",
                "warm-up " + model,
                peer + ["--rounds", 1, "--seconds", 0.1, "--modes", "compiled"],
                150,
                judge,
                env,
            )
        )
        made.append(ours(paths, output, env, model, "before"))
        made.append(Job("pytorch", model, peer, 75, judge, env))
        made.append(ours(paths, output, env, model, "after"))
    return made


def ours(paths, output, env, model, when):
    result = os.path.join(output, "ours-%s-%s.json" % (model, when))
    return Job(
        "pytorch",
        "tsugi %s %s" % (model, when),
        [
            paths["bench_gpu_step"],
            "--devices",
            "cuda",
            "--models",
            model,
            "--precisions",
            "fp32",
            "--rounds",
            3,
            "--seconds",
            0.5,
            "--json",
            result,
        ],
        40,
        None,
        env,
    )


def read_images(path):
    """images/s of the only line of a result of bench_gpu_step."""
    with open(path) as file:
        return json.load(file)["results"][0]["images_per_s"]


def collect(output, done):
    """pytorch.json: each model's peers, our figures around them, and the ratio of our mean to their best."""
    lines = []
    for job in done:
        if job.name not in MODELS or job.status != OK:
            continue
        line = json.loads(job.output.strip().splitlines()[-1])
        mine = [os.path.join(output, "ours-%s-%s.json" % (job.name, when)) for when in ("before", "after")]
        line["model"] = job.name
        line["tsugi_images_per_s"] = [read_images(path) for path in mine if os.path.exists(path)]
        if line["tsugi_images_per_s"]:
            mean = sum(line["tsugi_images_per_s"]) / len(line["tsugi_images_per_s"])
            line["ratio"] = mean / line["best_images_per_s"]
        lines.append(line)
        for path in mine:
            if os.path.exists(path):
                os.remove(path)
    if lines:
        with open(os.path.join(output, "pytorch.json"), "w") as file:
            json.dump(
                {
                    "what": "training steps, tsugi's turns around PyTorch's; ratio: tsugi over PyTorch's best",
                    "results": lines,
                },
                file,
                indent=1,
            )
