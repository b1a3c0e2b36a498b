"""Failing allocations, by test_alloc.py beside this file: every k takes hours; as many drawn ones as there is time for."""

import os
import re
import subprocess
import sys
from pathlib import Path

ENDS = re.compile(r"(\d+) (result|error|announced|WRONG)\b")


def once(campaign, *options):
    environment = {
        **os.environ,
        "TSUGI_BINARY": str(campaign.build / "tsugi"),
        "TSUGI_BUILD_DIR": str(campaign.build),
        "TSUGI_TEST_SEED": str(campaign.random.randrange(1 << 31)),
    }
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("test_alloc.py"), *options],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    for number, end in ENDS.findall(done.stdout):
        campaign.count(f"failed allocations that ended in: {end}", int(number))
    if done.returncode != 0:
        campaign.finding(f"allocations: exit status {done.returncode}: {done.stdout[-3000:]}")
    return done.returncode


def run(campaign, _):
    if campaign.time.end is None:
        once(campaign, "--all")
        return
    while once(campaign, "--each", "5") == 0 and not campaign.time.is_over():
        pass
