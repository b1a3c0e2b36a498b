"""libFuzzer on every target of tests/fuzz/targets.inc, under ASan and UBSan; where there is no clang, the mutation
test's mutants alone, as many as there is time for. Inputs that failed are kept in build/fuzz/found."""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD = ROOT / "build" / "fuzz"
DONE = re.compile(r"stat::number_of_executed_units:\s*(\d+)")
MUTANTS = re.compile(r"(\d+) mutants")
SECONDS = 60  # a target, where no time is given


def build():
    """libFuzzer's program, or None where it cannot be built."""
    if shutil.which("clang++") is None:
        return None
    for command in (["cmake", "--preset", "fuzz"], ["cmake", "--build", "--preset", "fuzz", "--target", "fuzz"]):
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            print(f"fuzz: {' '.join(command)}: exit status {done.returncode}\n" + done.stdout[-2000:])
            return None
    return str(BUILD / "fuzz")


def fuzz(campaign, program, target, seconds):
    found = BUILD / "found"
    found.mkdir(exist_ok=True)
    environment = {**os.environ, "TSUGI_TUNING": "off", "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory(prefix="tsugi-corpus-") as corpus:
        subprocess.run(
            [program, f"--target={target}", f"--seeds={corpus}"], check=True, env=environment, stderr=subprocess.DEVNULL
        )
        done = subprocess.run(
            [
                program,
                f"--target={target}",
                f"-max_total_time={max(1, int(seconds))}",
                "-print_final_stats=1",
                "-timeout=20",
                "-rss_limit_mb=4096",
                f"-seed={campaign.random.randrange(1, 1 << 31)}",
                f"-artifact_prefix={found}/{target}-",
                corpus,
            ],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
    count = DONE.search(done.stdout)
    campaign.count("targets")
    campaign.count("inputs fuzzed", int(count[1]) if count else 0)
    if done.returncode != 0:
        campaign.finding(f"fuzz {target}: {done.stdout[-3000:]}")


def mutate(campaign):
    """The mutation test, with fresh seeds, while there is time."""
    program = campaign.build / "tests" / "test_fuzz"
    while True:
        seed = campaign.random.randrange(1 << 31)
        done = subprocess.run(
            [program],
            env={**os.environ, "TSUGI_TEST_SEED": str(seed)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        campaign.count("inputs mutated", sum(map(int, MUTANTS.findall(done.stdout))))
        if done.returncode != 0:
            campaign.finding(f"mutants of seed {seed}: {done.stdout[-3000:]}")
        if campaign.time.end is None or campaign.time.is_over():
            return


def run(campaign, _):
    program = build()
    if program is None:
        print("fuzz: no libFuzzer here (clang and libclang-rt-dev): mutants only")
        mutate(campaign)
        return
    targets = subprocess.run([program, "--list"], check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    campaign.random.shuffle(targets)
    for i, target in enumerate(targets):
        left = campaign.time.share(len(targets) - i).left()
        fuzz(campaign, program, target, SECONDS if left is None else left)
        if campaign.time.is_over():
            return
