"""Training, hand-overs and experiments are killed at random moments and go on; what they end with is that of a run that
nothing disturbed, bit for bit. After every kill the checkpoint is whole."""

import os
import shutil
import time

from essence import difference, essence
from jobs import GRID, PRETRAIN
from world import TEMPORARY

TRAIN = "--epochs 4 --augment 9 --batch 3 --threads 1 --checkpoint-every 1 -o out/new --metrics out/new.jsonl"
MOST = 40  # kills of a run, before it may come to its end


class Killed:
    """A job that goes on where it was killed. `result`: the file that is compared; `resumes`: by --continue, which must
    be said."""

    def __init__(self, name, command, result, resumes=True):
        self.name, self.command, self.result, self.resumes = name, command.split(), result, resumes


def jobs():
    return [
        Killed("pretrain", f"{PRETRAIN} {TRAIN}", "out/new"),
        Killed("resume", f"resume in/photos.tar --personal in/new {TRAIN}", "out/new"),
        Killed("resume-features", f"resume in/features.tar --personal in/new {TRAIN}", "out/new"),
        Killed("experiment", GRID, "out/report/results.csv", resumes=False),
    ]


def undisturbed(world, job):
    """(What the job ends with, how long it takes)."""
    shutil.rmtree(world.path("out"), ignore_errors=True)
    os.mkdir(world.path("out"))
    begin = time.monotonic()
    world.must(*job.command)
    return essence(job.result, world.read(job.result)), time.monotonic() - begin


def go_on(world, job):
    started = job.resumes and os.path.exists(world.path(job.result))
    return [*job.command, "--continue", job.result] if started else job.command


def check_whole(campaign, world, job):
    if job.resumes and os.path.exists(world.path(job.result)):
        status, said = world.run(("inspect", job.result, "--quiet"))
        if status != 0:
            campaign.finding(f"{job.name}: {job.result} after a kill: {said}")


def disturbed(campaign, world, job, expected, seconds):
    """One run to its end, killed again and again."""
    shutil.rmtree(world.path("out"), ignore_errors=True)
    os.mkdir(world.path("out"))
    kills = 0
    while kills < MOST and not campaign.time.is_over():
        with open(world.path("out/stderr"), "wb") as stderr:
            process = world.start(go_on(world, job), stderr=stderr)
            time.sleep(campaign.random.random() * 1.2 * seconds)
            ended = process.poll() is not None
            process.kill()
            status = process.wait()
        if ended:
            if status != 0:
                said = world.read("out/stderr").decode()
                campaign.finding(f"{job.name}: after {kills} kills it ends with exit status {status}: {said}")
            break
        kills += 1
        campaign.count("kills")
        check_whole(campaign, world, job)
    status, said = world.run(go_on(world, job))
    if status != 0:
        campaign.finding(f"{job.name}: does not go on after {kills} kills: {said}")
        return
    campaign.count("runs that went on to their end")
    where = difference(expected, essence(job.result, world.read(job.result)))
    if where:
        campaign.finding(f"{job.name}: after {kills} kills {job.result} differs from an undisturbed run's{where}")
    left = [name for name in world.files() if TEMPORARY.search(name)]
    if left:
        campaign.finding(f"{job.name}: after {kills} kills and a whole run {len(left)} temporaries are left: {left[0]}")


def run(campaign, world):
    """Jobs in turn, each once at least, while there is time; without a limit five times each."""
    prepared = [(job, *undisturbed(world, job)) for job in jobs()]
    for round_ in range(1 << 30 if campaign.time.end is not None else 5):
        for job, expected, seconds in prepared:
            if campaign.time.is_over() and round_ > 0:
                return
            disturbed(campaign, world, job, expected, seconds)
        if campaign.time.is_over():
            return
