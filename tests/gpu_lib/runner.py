"""Commands with time limits, several at a time, and the table of how they ended."""

import concurrent.futures
import os
import signal
import subprocess
import time

OK, FAILED, SKIPPED, NOT_RUN = "ok", "failed", "skipped", "not run"


class Clock:
    """What is left of the whole script's time."""

    def __init__(self, limit_s):
        self.end = time.monotonic() + limit_s

    def left(self):
        return max(0.0, self.end - time.monotonic())


class Job:
    """A command with its limit. judge(exit status, output) -> (status, note) decides; without one, exit status 0 is ok."""

    def __init__(self, group, name, command, limit_s, judge=None, env=None):
        self.group, self.name, self.command, self.limit_s = group, name, [str(word) for word in command], limit_s
        self.judge, self.env = judge or judge_by_status, env
        self.status, self.note, self.seconds, self.output = NOT_RUN, "no time left", 0.0, ""


def judge_by_status(code, output):
    if code == 0:
        return OK, ""
    return FAILED, "exit status %d: %s" % (code, last_line(output))


def last_line(output):
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return printable(lines[-1][:200]) if lines else "no output"


def printable(text):
    """What programs and files say, as a terminal may be sent it."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


# What subprocess.run calls capture_output and text since Python 3.7; a Jetson Nano has 3.6.
CAPTURED = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "universal_newlines": True}


def run_command(command, limit_s, env=None):
    """(exit status, output, timed out). The command and what it started are killed at the limit."""
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        universal_newlines=True,
        errors="replace",
        env=env,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=limit_s)
        return process.returncode, output, False
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        return process.returncode, output, True


def run_job(job, clock, log_dir):
    if not job.command:  # its end is known
        return job
    limit = min(job.limit_s, clock.left())
    if limit < 1.0:
        return job
    begin = time.monotonic()
    try:
        code, job.output, late = run_command(job.command, limit, job.env)
        job.status, job.note = (FAILED, "stopped after %.0f s" % limit) if late else job.judge(code, job.output)
    except (
        Exception
    ) as error:  # a program that is missing, a judge that met what it does not know: a failed job, not the end of all
        job.status, job.note = FAILED, "%s: %s" % (type(error).__name__, error)
    job.seconds = time.monotonic() - begin
    name = "".join(c if c.isalnum() else "-" for c in job.group + "-" + job.name)
    with open(os.path.join(log_dir, name + ".log"), "w") as file:
        file.write("%s\n%s\n%s: %s, %.1f s\n" % (" ".join(job.command), job.output, job.status, job.note, job.seconds))
    return job


def run_jobs(jobs, workers, clock, log_dir):
    """Runs all of them, `workers` at a time, those with the longest limits first. Returns when the last has ended."""
    ordered = sorted(jobs, key=lambda job: -job.limit_s)
    with concurrent.futures.ThreadPoolExecutor(max(1, workers)) as pool:
        for job in pool.map(lambda one: run_job(one, clock, log_dir), ordered):
            print(
                "  %-8s %6.1f s  %s: %s%s"
                % (job.status, job.seconds, job.group, job.name, "  " + job.note if job.note else ""),
                flush=True,
            )
    return jobs


def worst(statuses):
    for status in (FAILED, NOT_RUN, SKIPPED):
        if status in statuses:
            return status
    return OK


def table(jobs):
    """One line a group: its worst status, how many jobs ended how, the longest of them, and the first failure's note."""
    groups = {}
    for job in jobs:
        groups.setdefault(job.group, []).append(job)
    lines = ["%-22s %-8s %5s %6s %7s %9s  %s" % ("group", "status", "ok", "failed", "other", "longest", "note")]
    for group, members in groups.items():
        statuses = [job.status for job in members]
        bad = [job for job in members if job.status in (FAILED, NOT_RUN)] or [job for job in members if job.note]
        lines.append(
            "%-22s %-8s %5d %6d %7d %7.1f s  %s"
            % (
                group,
                worst(statuses),
                statuses.count(OK),
                statuses.count(FAILED),
                len(statuses) - statuses.count(OK) - statuses.count(FAILED),
                max(job.seconds for job in members),
                (bad[0].name + ": " + bad[0].note)[:140] if bad else "",
            )
        )
    return "\n".join(lines)


def exit_status(jobs):
    """Non-zero when a check failed, or did not get its turn: what was not run has not passed."""
    return 1 if any(job.status in (FAILED, NOT_RUN) for job in jobs) else 0


def summary(jobs):
    """For the result file."""
    return [
        {"group": job.group, "name": job.name, "status": job.status, "note": job.note, "seconds": round(job.seconds, 2)}
        for job in jobs
    ]
