"""Every k-th call on files of every command goes wrong in every way (faults.c). After each: exit status 0 only with the
result of an undisturbed run, an error line otherwise; each output is the old one or whole; nothing else is left but
temporaries of a killed process; inputs are as they were; and the same command, run again, succeeds."""

import os
import re
import signal

from essence import difference, essence
from jobs import jobs
from world import TEMPORARY

HOWS = {
    "open": ("ENOSPC", "EIO", "EINTR"),
    "read": ("EIO", "EINTR", "short"),
    "write": ("ENOSPC", "EIO", "EINTR", "short"),
    "fsync": ("ENOSPC", "EIO", "EINTR"),
    "close": ("ENOSPC", "EIO", "EINTR"),
    "unlink": ("EIO",),
    "rmdir": ("EIO",),
    "mmap": ("EIO",),
}
OTHERS = ("ENOSPC", "EIO")
KILLED = -signal.SIGKILL
CALL = re.compile(r"(\d+) (\w+) (.*?)( !)?$")


def hows(call):
    """How a call of this name fails on a real system."""
    return HOWS.get(next((kind for kind in HOWS if kind in call), None), OTHERS)


class Fault:
    def __init__(self, number, call, path, how, old):
        self.number, self.call, self.path, self.how, self.old = number, call, path, how, old

    def __str__(self):
        return f"call {self.number}, {self.call} {self.path}: {self.how}" + (
            ", over earlier outputs" if self.old else ""
        )


class Faults:
    def __init__(self, world, library, campaign):
        self.world, self.library, self.campaign = world, library, campaign

    def run(self, job, number=0, how="EIO"):
        if os.path.exists(self.world.log):
            os.remove(self.world.log)
        status, said = self.world.run(
            job.command,
            "out/stdout",
            LD_PRELOAD=self.library,
            TSUGI_FAULT_FOLDER=self.world.folder,
            TSUGI_FAULT_LOG=self.world.log,
            TSUGI_FAULT_CALL=str(number),
            TSUGI_FAULT_HOW=how,
        )
        with open(self.world.log) as log:
            calls = [CALL.match(line) for line in log.read().splitlines()]
        return status, said, calls

    def watch(self, job):
        """The undisturbed run: {output: what it must hold}, and every fault that its calls can have, half of them over
        earlier outputs."""
        self.world.reset(job, True)
        status, said, calls = self.run(job)
        if status != 0 or not calls:
            raise RuntimeError(f"{job.name}: exit status {status} undisturbed, {len(calls)} calls watched\n{said}")
        expected = {name: essence(name, self.world.read(name), job.measures) for name in self.world.files()}
        faults = []
        for call in calls:
            number, name, path = int(call[1]), call[2], os.path.relpath(call[3], self.world.folder)
            faults += [
                Fault(number, name, path, how, self.campaign.random.random() < 0.5)
                for how in (*hows(name), "before", "after")
            ]
        return expected, faults

    def inject(self, job, expected, fault):
        """Runs the job with this fault; what must hold and does not, as lines."""
        world = self.world
        world.reset(job, fault.old)
        before = {name: world.read(name) for name in world.files()}
        inputs = world.inputs()
        status, said, calls = self.run(job, fault.number, fault.how)
        struck = next((call for call in calls if call[4]), None)
        if struck is None:
            self.campaign.count("faults not reached")
            return []
        # A run may make other calls than the watched one: a disturbed measurement says so. What was struck counts.
        fault.call, fault.path = struck[2], os.path.relpath(struck[3], world.folder)
        self.campaign.count("faults injected")
        self.campaign.count(f"  {'killed ' if fault.how in ('before', 'after') else ''}{fault.how}")
        wrong = self.check_status(job, fault, status, said) + self.check_files(
            job, fault, expected, before, status, said
        )
        if world.inputs() != inputs:
            wrong.append("an input changed")
        if status == 0 or before == {name: world.read(name) for name in world.files() if name != "out/stdout"}:
            return wrong  # run again, it would begin as any run does
        if job.once and os.path.exists(world.path(job.outputs[0])):
            return wrong + self.differences(job, expected, ignored="out/stdout")
        self.campaign.count("run again after a fault that left its mark")
        status, said = world.run(job.command, "out/stdout")
        if status != 0:
            wrong.append(f"run again: exit status {status}: {said}")
        else:
            wrong += [f"run again: {line}" for line in self.differences(job, expected)]
            if not job.once:  # a new folder's temporary is a folder, which nobody tidies up
                wrong += [f"run again: {name} is left" for name in world.files() if TEMPORARY.search(name)]
        return wrong

    def check_status(self, job, fault, status, said):
        if fault.how in ("before", "after"):
            return [] if status == KILLED else [f"exit status {status}, killed expected"]
        # libc's streams give up at EINTR: a failure that says so will do for standard output. So it will where the
        # threads' order put another call in the place of the one chosen, and no system interrupts that one.
        interrupted = fault.how in ("EINTR", "short") and fault.how in hows(fault.call)
        must_succeed = interrupted and not fault.path.endswith("out/stdout")
        if status == 0 or (
            status == 1 and not must_succeed and any(line.startswith("tsugi: error: ") for line in said.splitlines())
        ):
            return []
        return [f"exit status {status}, {'0' if must_succeed else '0, or 1 with an error line,'} expected: {said}"]

    def check_files(self, job, fault, expected, before, status, said):
        wrong = []
        # A photo that cannot be read is left out, and said: another result, but a right one.
        partial = status != 0 or (fault.path.endswith(".jpg") and "jpg" in said)
        if not partial:
            wrong += self.differences(job, expected)
        for name in self.world.files():
            if TEMPORARY.search(name):
                if status != KILLED and fault.call != "unlink":
                    wrong.append(f"{name} is left")
            elif name == "out/stdout" or name.endswith("/.lock"):
                continue
            elif not any(name == output or name.startswith(output + "/") for output in job.outputs):
                wrong.append(f"{name} is left, which the command does not name")
            elif self.world.read(name) != before.get(name) and not self.is_whole(name):
                wrong.append(f"{name} is neither the old file nor a whole one")
        wrong += [f"{name} is lost" for name in before if not os.path.exists(self.world.path(name))]
        return wrong

    def is_whole(self, name):
        if name.endswith(("/new", ".tar", ".safetensors")) and self.world.run(("inspect", name, "--quiet"))[0] != 0:
            return False
        try:
            essence(name, self.world.read(name))
            return True
        except Exception:  # whatever the reader throws: it is not whole
            return False

    def differences(self, job, expected, ignored=None):
        """Where the outputs are not those of an undisturbed run."""
        found = {name for name in self.world.files() if not TEMPORARY.search(name) and name != ignored}
        expected = {name: value for name, value in expected.items() if name != ignored}
        wrong = [f"{name} is missing" for name in sorted(set(expected) - found)] + [
            f"{name} is left" for name in sorted(found - set(expected))
        ]
        for name in sorted(found & set(expected)):
            try:
                where = difference(expected[name], essence(name, self.world.read(name), job.measures))
                if where:
                    wrong.append(f"{name} differs from an undisturbed run's{where}")
            except Exception as error:  # whatever the reader throws: it is not whole
                wrong.append(f"{name} is not whole: {str(error)[:200]}")
        return wrong


def run(campaign, world):
    """All faults of all jobs once, jobs and faults in random order; where time is short, each job's share of it."""
    faults = Faults(world, campaign.library("tsugi_faults"), campaign)
    chosen = [job for job in jobs() if not campaign.jobs or job.name in campaign.jobs]
    campaign.random.shuffle(chosen)
    for i, job in enumerate(chosen):
        share = campaign.time.share(len(chosen) - i)
        expected, possible = faults.watch(job)
        campaign.count("commands")
        campaign.count("faults possible", len(possible))
        campaign.random.shuffle(possible)
        for fault in possible:
            if share.is_over():
                break
            for line in faults.inject(job, expected, fault):
                campaign.finding(f"{job.name}: {fault}: {line}")
