"""How many threads there are and how they wait for each other, as doctor says it. Nothing here is timed: bench/busy_machine.py is for that."""

import json
import os
import subprocess

import support

SETTINGS = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")


class Waiting(support.CommandLine):
    def doctor(self, preexec_fn=None, **settings):
        environment = {key: value for key, value in support.environment().items() if key not in SETTINGS}
        done = subprocess.run(
            [support.BINARY, "doctor", "--json"],
            cwd=self.folder,
            text=True,
            timeout=300,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(environment, **settings),
            preexec_fn=preexec_fn,
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout.splitlines()[-1])

    def test_where_nobody_chose_threads_spin_only_while_there_are_processors(self):
        self.assertEqual(self.doctor()["wait_policy"], "they spin; only briefly while processors are short")

    def test_a_users_own_setting_wins(self):
        for name, value in (("OMP_WAIT_POLICY", "passive"), ("GOMP_SPINCOUNT", "77"), ("KMP_BLOCKTIME", "200")):
            with self.subTest(f"{name}={value}"):
                self.assertEqual(self.doctor(**{name: value})["wait_policy"], f"{name}={value}")

    def test_the_affinity_mask_decides_how_many_threads_there_are(self):
        one = min(os.sched_getaffinity(0))
        doctor = self.doctor(preexec_fn=lambda: os.sched_setaffinity(0, {one}))
        self.assertEqual((doctor["threads"], doctor["threads_source"]), (1, "1 processor"))
        cpu = next(device for device in doctor["devices"] if device["name"] == "cpu")
        if cpu["available"]:
            self.assertIn("1 thread,", cpu["description"])


if __name__ == "__main__":
    support.main()
