"""Commands, several at a time, and a line for each as it ends."""

import os
import re
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor, as_completed

LIMIT_S = 1800
COUNTED = re.compile(r": (\d+) rows, (\d+) cases")
STEPS = re.compile(r"MESSAGE: (.* steps; .*largest relative difference .*)")


class Job:
    """A command with its environment; `call`, a function that returns (passed, output), in place of a command."""

    def __init__(self, name, command=(), environment=None, call=None, limit_s=LIMIT_S):
        self.name, self.command, self.call, self.limit_s = name, [str(word) for word in command], call, limit_s
        self.environment = dict(environment or {})
        self.passed, self.output, self.seconds = False, "", 0.0

    def run(self):
        begin = time.monotonic()
        if self.call:
            self.passed, self.output = self.call()
        else:
            environment = dict(os.environ, OMP_NUM_THREADS="1", TSUGI_TUNING="off", **self.environment)
            try:
                done = subprocess.run(
                    self.command,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                    errors="replace",
                    env=environment,
                    timeout=self.limit_s,
                )
                self.output = done.stdout
                # A filter that selects no test case passes in doctest; here it has run nothing.
                self.passed = done.returncode == 0 and not re.search(r"test cases:\s+0 ", done.stdout)
            except subprocess.TimeoutExpired as late:
                self.output = f"{(late.stdout or b'').decode(errors='replace')}\nstopped after {self.limit_s} s"
        self.seconds = time.monotonic() - begin
        return self

    def rows_and_cases(self):
        found = COUNTED.search(self.output)
        return (int(found.group(1)), int(found.group(2))) if found else (0, 0)


def each(todo, jobs):
    """Runs them, in their order as places come free, and yields each as it ends."""
    with ThreadPoolExecutor(max_workers=jobs) as pool:
        for ended in as_completed([pool.submit(job.run) for job in todo]):
            yield ended.result()


def run(todo, jobs):
    """Runs them all; prints a line for each, and of a failed one all that it said."""
    for job in each(todo, jobs):
        print(f"{'ok    ' if job.passed else 'FAILED'} {job.seconds:6.1f} s  {job.name}", flush=True)
        for line in STEPS.findall(job.output):
            print(f"                 {line}", flush=True)
        if not job.passed:
            print(job.output[-6000:], flush=True)
    return todo
