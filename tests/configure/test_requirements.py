#!/usr/bin/env python3
"""What is too old or missing is the first thing said, and what to type; warnings are errors for developers alone."""

import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

SOURCE = pathlib.Path(os.environ["TSUGI_SOURCE_DIR"])
REQUIREMENTS = "third_party/requirements.cmake"


class Requirements(unittest.TestCase):
    def setUp(self):
        """A copy of what configuring reads before the first source file."""
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        for name in ("CMakeLists.txt", "CMakePresets.json", "tools/demo", "tests/run"):
            (self.folder / name).parent.mkdir(exist_ok=True)
            shutil.copy(SOURCE / name, self.folder / name)
        shutil.copytree(SOURCE / "third_party", self.folder / "third_party")

    def enterContext(self, context):  # Python 3.11 has it
        self.addCleanup(context.__exit__, None, None, None)
        return context.__enter__()

    def run_here(self, *command, **environment):
        plain = {key: value for key, value in os.environ.items() if key not in ("CC", "CXX", "CUDACXX")}
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, env={**plain, **environment})

    def refuses(self, command, *wanted, **environment):
        done = self.run_here(*command, **environment)
        output = done.stderr if command[0] == "cmake" else done.stdout + done.stderr
        self.assertNotEqual(done.returncode, 0, output)
        first = output.splitlines()[0]
        if command[0] == "tests/run":  # says first which photos it takes
            first = next(
                line for line in output.splitlines() if not line.startswith(("photos: ", "packages: ", "==")) and line
            )
        for part in wanted:
            self.assertIn(part, first, output)

    def test_an_old_cmake_is_the_first_thing_that_every_entry_says(self):
        text = (self.folder / REQUIREMENTS).read_text()
        self.assertIn("TSUGI_OLDEST_CMAKE 3.22", text)
        (self.folder / REQUIREMENTS).write_text(text.replace("TSUGI_OLDEST_CMAKE 3.22", "TSUGI_OLDEST_CMAKE 99.1"))
        for command in (
            ("tools/demo",),
            ("tools/demo", "--no-install"),
            ("tests/run",),
            ("tests/run", "--no-install", "cpu"),
            ("cmake", "--preset", "cpu"),
            ("cmake", "-S", ".", "-B", "build"),
        ):
            self.refuses(command, "CMake ", " is too old, 99.1 is the oldest", "python3 -m pip install --user cmake")

    def test_no_cmake_at_all(self):
        programs = self.folder / "programs"
        programs.mkdir()
        for name in ("bash", "dirname", "sed", "nproc", "awk"):
            (programs / name).symlink_to(shutil.which(name))
        for command in (("tools/demo", "--no-install"), ("tests/run", "--no-install", "cpu")):
            self.refuses(
                (str(programs / "bash"), *command), "There is no CMake: sudo apt-get install cmake", PATH=str(programs)
            )

    def test_no_ninja_and_no_compiler(self):
        hidden = "-DCMAKE_IGNORE_PATH=" + os.environ["PATH"].replace(":", ";") + ";/usr/bin;/bin;/usr/local/bin"
        self.refuses(
            ("cmake", "--preset", "cpu", hidden),
            "There is no ninja",
            "sudo apt-get install ninja-build",
            "cmake -S . -B build",
        )
        self.refuses(
            ("cmake", "-S", ".", "-B", "build", "-G", "Unix Makefiles", hidden),
            "There is no C++ compiler: sudo apt-get install g++",
        )

    def test_an_old_compiler(self):
        """One that says so: macros are what CMake goes by."""
        compiler = self.folder / "g++-old"
        compiler.write_text('#!/bin/sh\nexec g++ -U__GNUC__ -D__GNUC__=7 "$@"\n')
        compiler.chmod(0o755)
        self.refuses(
            ("cmake", "--preset", "cpu"),
            str(compiler),
            "is GNU 7.",
            "too old, 8 is the oldest",
            "sudo apt-get install g++-8",
            "export CC=gcc-8 CXX=g++-8",
            CXX=str(compiler),
        )

    def test_a_missing_package(self):
        """With and without the download that stands in for it; nothing listens on that port."""
        missing = ("cmake", "--preset", "cpu", "-DCMAKE_DISABLE_FIND_PACKAGE_nlohmann_json=ON")
        package = "sudo apt-get install nlohmann-json3-dev"
        self.refuses((*missing, "-DTSUGI_DOWNLOAD=OFF"), "nlohmann_json is not on this system", package)
        self.refuses(
            (*missing, "-DTSUGI_DOWNLOAD=ON"),
            "nlohmann_json is not on this system",
            package,
            "could not be downloaded",
            https_proxy="http://127.0.0.1:9",
            HTTPS_PROXY="http://127.0.0.1:9",
        )

    def configured(self, *options):
        build = self.folder / "plain"
        done = subprocess.run(
            ["cmake", "-S", SOURCE, "-B", build, "-DTSUGI_BUILD_TESTS=OFF", *options], capture_output=True, text=True
        )
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return build, done.stdout

    def test_without_a_preset_it_configures_for_make_and_no_warning_is_an_error(self):
        build, _ = self.configured("-G", "Unix Makefiles")
        self.assertTrue((build / "Makefile").exists())
        flags = "".join(file.read_text() for file in build.rglob("flags.make"))
        self.assertIn("-Wall", flags)
        self.assertNotIn("-Werror", flags)

    def test_warnings_are_errors_for_developers_with_a_compiler_that_was_tried(self):
        for version, errors in ((12, True), (99, False)):  # whatever compiler is here: it says to be this one
            compiler = self.folder / f"g++-{version}"
            compiler.write_text(f'#!/bin/sh\nexec g++ -U__GNUC__ -D__GNUC__={version} "$@"\n')
            compiler.chmod(0o755)
            shutil.rmtree(self.folder / "plain", ignore_errors=True)
            build, output = self.configured(
                "-G",
                "Unix Makefiles",
                "-DTSUGI_WERROR=ON",
                "-DTSUGI_USE_ONEDNN=OFF",
                f"-DCMAKE_CXX_COMPILER={compiler}",
            )
            self.assertEqual(f"GNU {version}." in output and "its warnings are no errors" in output, not errors, output)
            self.assertEqual("-Werror" in (build / "CMakeFiles/tsugi.dir/flags.make").read_text(), errors)


if __name__ == "__main__":
    unittest.main()
