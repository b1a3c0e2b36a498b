"""How threads wait for each other, and how many there are: settings reach the OpenMP runtime, a user's own settings win, and starting once
more changes nothing else. Nothing here is timed: bench/busy_machine.py is for that."""
import json
import os
import re
import shutil
import subprocess
import sys

import support

SETTINGS = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
OWN = "GOMP_SPINCOUNT=8000 (tsugi's own)"


class Waiting(support.CommandLine):
    def run_with(self, command, **settings):
        """The command's outcome where nobody chose but `settings`. The runtime says at each start of the program what it read."""
        options = {key: settings.pop(key) for key in ("preexec_fn", "pass_fds", "executable") if key in settings}
        environment = {key: value for key, value in support.environment().items() if key not in SETTINGS}
        environment.update(settings, OMP_DISPLAY_ENV="VERBOSE", ASAN_OPTIONS="detect_leaks=0")
        return subprocess.run(command, cwd=self.folder, text=True, timeout=300, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, env=environment, **options)

    def doctor(self, **settings):
        """(What the runtime read at each start, what doctor says)."""
        done = self.run_with([support.BINARY, "doctor", "--json"], **settings)
        self.assertEqual(done.returncode, 0, done.stderr)
        return re.findall(r"GOMP_SPINCOUNT = '(\w+)'", done.stderr), json.loads(done.stdout.splitlines()[-1])

    def test_where_nobody_chose_threads_spin_briefly(self):
        read, doctor = self.doctor()
        self.assertEqual(read[-1], "8000")
        self.assertEqual((len(read), doctor["wait_policy"]), (2, OWN))

    def test_a_users_own_setting_wins(self):
        for name, value, spins in (("OMP_WAIT_POLICY", "passive", "0"), ("OMP_WAIT_POLICY", "active", "30000000000"), ("GOMP_SPINCOUNT", "77", "77"),
                                   ("KMP_BLOCKTIME", "200", "300000")):
            with self.subTest(f"{name}={value}"):
                read, doctor = self.doctor(**{name: value})
                self.assertEqual(read, [spins])
                self.assertEqual(doctor["wait_policy"], f"{name}={value}")

    def test_arguments_and_exit_status_stay(self):
        done = self.run_with([support.BINARY, "inspect", "no  such\tfile é"])
        self.assertEqual(done.returncode, 1)
        self.assertIn("no  such", done.stderr)
        self.assertEqual(self.run_with([support.BINARY, "inspect", ""]).returncode, self.run_with([support.BINARY, "inspect", ""], GOMP_SPINCOUNT="0").returncode)
        self.assertEqual(self.run_with([support.BINARY, "--no-such-option"]).returncode, 2)

    def test_it_starts_once_more_and_as_itself(self):
        if shutil.which("strace") is None:
            self.skipTest("no strace")
        trace = self.path("trace")
        done = self.run_with(["strace", "-f", "-qq", "-e", "trace=execve", "-e", "signal=none", "-o", trace, support.BINARY, "--version", ""])
        calls = re.findall(r'execve\("(.*?)", (\[.*?\])', self.read("trace").decode())
        self.assertEqual(len(calls), 2, done.stderr)
        self.assertEqual(os.path.realpath(calls[1][0]), os.path.realpath(support.BINARY))
        self.assertEqual(calls[0][1], calls[1][1])

    def test_a_program_that_cannot_start_again_goes_on(self):
        copy = self.path("copy")
        shutil.copy(support.BINARY, copy)
        file = os.open(copy, os.O_RDONLY)
        os.remove(copy)
        try:
            done = self.run_with(["tsugi", "doctor", "--json"], executable=f"/proc/self/fd/{file}", pass_fds=[file])
        finally:
            os.close(file)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(json.loads(done.stdout.splitlines()[-1])["wait_policy"], "as the OpenMP runtime does by itself")

    def test_the_affinity_mask_decides_how_many_threads_there_are(self):
        one = min(os.sched_getaffinity(0))
        _, doctor = self.doctor(preexec_fn=lambda: os.sched_setaffinity(0, {one}))
        self.assertEqual((doctor["threads"], doctor["threads_source"]), (1, "1 processor"))
        self.assertIn("1 thread,", doctor["devices"][0]["description"])


if __name__ == "__main__":
    version = subprocess.run([support.BINARY, "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout
    if "oneDNN" not in version or "GNU" not in version:
        print("skipped: only builds with gcc's OpenMP runtime and oneDNN have threads that wait for each other as is tested here")
        sys.exit(77)
    support.main()
