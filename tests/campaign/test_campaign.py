"""Some seconds of the campaigns: other choices every time, by a seed that is printed. In full: tests/campaign/run."""

import os
import subprocess
import sys
from pathlib import Path

if not os.access(os.environ.get("TSUGI_BINARY", ""), os.X_OK):
    print("skipped: TSUGI_BINARY is not built")
    sys.exit(77)
seed = ["--seed", os.environ["TSUGI_TEST_SEED"]] if "TSUGI_TEST_SEED" in os.environ else []
sys.exit(
    subprocess.run(
        [
            sys.executable,
            Path(__file__).with_name("run"),
            "--only",
            "faults",
            "--only",
            "kills",
            "--seconds",
            "25",
            *seed,
        ]
    ).returncode
)
