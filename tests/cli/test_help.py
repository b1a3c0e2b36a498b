"""tsugi explains itself: help with an example for every command, usage when it is called wrongly."""

import re

import support

COMMANDS = (
    "synth",
    "pretrain",
    "bundle",
    "resume",
    "forget",
    "eval",
    "predict",
    "compact",
    "inspect",
    "experiment",
    "bench",
    "plan",
    "tune",
    "doctor",
)
NESTED = (("experiment", "handover"), ("experiment", "life"), ("experiment", "report"))


class Help(support.CommandLine):
    def test_every_command_has_help_with_an_example_of_itself(self):
        for words in (*((command,) for command in COMMANDS), *NESTED):
            with self.subTest(words):
                done = self.tsugi(*words, "--help")
                self.assertRegex(done.stdout, rf"Example:\n  tsugi {' '.join(words)}\b")
                self.assertEqual(done.stderr, "")
                for option in ("--help", "--json", "--quiet"):
                    self.assertIn(option, done.stdout)

    def test_help_fits_80_columns_and_tells_ranges_and_defaults(self):
        for command in COMMANDS:
            text = self.tsugi(command, "--help").stdout.split("Example:")[0]
            self.assertEqual([line for line in text.splitlines() if len(line) > 80], [], command)
        text = self.tsugi("pretrain", "--help").stdout
        self.assertRegex(text, r"--threads INT +Threads, 0 = all cores \(0 to 1024, default 0\)\n")
        self.assertRegex(text, r"-o,--output TEXT +Checkpoint to write \(.safetensors\) \(required\)\n")
        self.assertRegex(text, r"--no-graph +Issue every kernel")

    def test_examples_use_only_options_that_exist(self):
        for command in (*((command,) for command in COMMANDS), *NESTED):
            text = self.tsugi(*command, "--help").stdout
            options, example = text.split("Example:")
            for option in re.findall(r" (-{1,2}[a-z-]+)", example):
                self.assertRegex(options, rf"{option}\b", f"the example of {command} has {option}")

    def test_the_help_lists_every_command_and_the_exit_statuses(self):
        text = self.tsugi("--help").stdout
        self.assertEqual(re.findall(r"^  ([a-z]+)  ", text.split("Subcommands:")[1], re.M), list(COMMANDS))
        self.assertIn("Exit status: 0 done, 1 failed, 2 wrong usage", text)

    def test_tsugi_alone_shows_how_it_is_used(self):
        done = self.tsugi(status=2)
        self.assertEqual(done.stdout, "")
        for word in ("Usage: tsugi", *COMMANDS):
            self.assertIn(word, done.stderr)

    def test_a_version_is_told(self):
        self.assertRegex(self.tsugi("--version").stdout, r"^tsugi \d+\.\d+\.\d+ \(.+\)\n$")

    def test_wrong_usage_names_what_is_wrong_and_where_help_is(self):
        for arguments, words in {
            ("pretarin", "photos"): ["pretarin", "pretrain"],
            ("pretrain", "photos"): ["--output"],
            ("pretrain", "-o", "x"): ["PHOTOS"],
            ("resume", "x.tar", "-o", "x"): ["--personal"],
            ("bundle", "x", "-o", "x"): ["--photos"],
            ("predict", "x.safetensors"): ["IMAGE"],
            ("inspect",): ["FILE"],
            ("eval", "x", "--photos", "y", "--colour"): ["--colour"],
            ("doctor", "more"): ["more"],
        }.items():
            with self.subTest(arguments):
                done = self.refuses(arguments, *words, status=2)
                command = arguments[0] if arguments[0] in COMMANDS else ""
                self.assertIn(f"tsugi {command} --help".replace("  ", " "), done.stderr)


if __name__ == "__main__":
    support.main()
