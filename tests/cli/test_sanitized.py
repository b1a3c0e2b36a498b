"""Under the sanitizer presets every script here runs a sanitized command line, and what a sanitizer reports fails it, whatever exit status the script
expects. Skipped elsewhere."""

import os
import sys

import support

SANITIZERS = os.environ.get("TSUGI_SANITIZE", "")


class Sanitized(support.CommandLine):
    def test_the_command_line_is_built_with_the_sanitizers(self):
        self.assertIn(f"-fsanitize={SANITIZERS}", self.tsugi("--version").stdout)

    def test_a_report_fails_whatever_status_is_expected(self):
        if "address" not in SANITIZERS:
            self.skipTest("no AddressSanitizer in this build")
        options = support.environment()["ASAN_OPTIONS"] + ":max_allocation_size_mb=1:allocator_may_return_null=0"
        command = ("synth", "people", "--people", 1, "--photos", 1, "--size", 1024)  # a picture of more than a megabyte
        for status in (0, 1, 2, support.REPORTED):
            with self.assertRaisesRegex(
                AssertionError, f"exit status {support.REPORTED}, {status} expected(.|\n)*AddressSanitizer"
            ):
                self.tsugi(*command, status=status, env={"ASAN_OPTIONS": options})


if __name__ == "__main__":
    if not SANITIZERS:
        print("skipped: no sanitizers in this build")
        sys.exit(77)
    support.main()
