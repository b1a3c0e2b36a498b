"""resume's means against forgetting, as a user switches them on."""

import json

import support


class NotForgetting(support.CommandLine):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.people("people", 3)
        cls.people("new", 1, first=4)
        cls.write("tiny.json", json.dumps(support.TINY_MODEL))
        cls.tsugi("pretrain", "people", "-o", "server", *support.TINY)
        cls.tsugi("bundle", "server", "--photos", "people", "--fraction", "0.5", "-o", "handover.tar")
        cls.resume = ("resume", "handover.tar", "--personal", "new", *support.TINY[4:])

    def test_frozen_layers_stay_and_a_finished_run_goes_on_with_them_until_told_otherwise(self):
        self.assertIn(
            "frozen until bn1: 20 parameters learn",
            self.tsugi(*self.resume, "-o", "frozen", "--epochs", "1", "--freeze-until", "bn1").stderr,
        )
        server, frozen = support.tensors(self.read("server")), support.tensors(self.read("frozen"))
        lower = [name for name in server if "conv1." in name or "bn1." in name]
        self.assertGreaterEqual(len(lower), 6)
        for name in lower:
            self.assertEqual(frozen[name], server[name], name)
        self.assertNotEqual(frozen["head.weight"], server["head.weight"])

        self.tsugi(*self.resume, "--continue", "frozen", "-o", "more", "--epochs", "2")
        more = support.tensors(self.read("more"))
        for name in lower:
            self.assertEqual(more[name], server[name], name)
        self.assertNotEqual(more["head.weight"], frozen["head.weight"])
        thaw = ("--continue", "frozen", "-o", "thawed", "--epochs", "2", "--freeze-until", "", "--keep", "trained")
        self.tsugi(*self.resume, *thaw)
        self.assertNotEqual(support.tensors(self.read("thawed"))["conv1.weight"], server["conv1.weight"])

    def test_distillation_is_on_where_asked_and_remembered(self):
        self.resume = [*self.resume, "--keep", "trained"]
        self.assertNotIn("distilling", self.tsugi(*self.resume, "-o", "plain", "--epochs", "1").stderr)
        done = self.tsugi(
            *self.resume, "-o", "taught", "--epochs", "1", "--distill", "0.5", "--distill-temperature", "3"
        )
        self.assertRegex(
            done.stderr, r"distilling what the received network says of 8 of 13 training photos; the bundle has it of 8"
        )
        self.assertIn(
            "13 of 13",
            self.tsugi(
                *self.resume, "-o", "all", "--epochs", "1", "--distill", "0.5", "--distill-personal", "true"
            ).stderr,
        )
        self.assertNotEqual(
            support.tensors(self.read("taught"))["head.weight"], support.tensors(self.read("plain"))["head.weight"]
        )
        self.tsugi("bundle", "server", "--photos", "people", "--fraction", "0.5", "-o", "plain.tar", "--no-knowledge")
        computed = self.tsugi(
            "resume", "plain.tar", *self.resume[2:], "-o", "computed", "--epochs", "1", "--distill", "0.5"
        ).stderr
        self.assertIn("8 of 13 training photos; the bundle has it of 0", computed)
        self.assertIn(
            "distilling", self.tsugi(*self.resume, "--continue", "taught", "-o", "more", "--epochs", "2").stderr
        )

    def test_weights_and_temperatures_that_cannot_be(self):
        for option, value, name in (
            ("--distillation", "1.5", "distillation"),
            ("--distill", "-1", "distillation"),
            ("--distill-temperature", "0", "distillation_temperature"),
            ("--distill-personal", "perhaps", "--distillation-personal"),
            ("--average", "2", "weight_interpolation"),
        ):
            with self.subTest(option=option, value=value):
                self.refuses([*self.resume, "-o", "out", option, value], name, value, status=2)
        for option in ("--distill", "--distillation", "--margin", "--new-class-bias-shift"):
            self.refuses(["pretrain", "people", "-o", "out", option, "0.5"], option, status=2)

    def test_former_flags_do_the_same_and_are_not_shown(self):
        help_text = self.tsugi("resume", "--help").stdout
        for former, now, value in (
            ("--average", "--weight-interpolation", "0.5"),
            ("--new-row-scale", "--new-class-scale", "0.9"),
            ("--margin", "--new-class-bias-shift", "0.25"),
            ("--distill", "--distillation", "0.3"),
            ("--distill-temperature", "--distillation-temperature", "3"),
            ("--distill-personal", "--distillation-personal", "true"),
        ):
            with self.subTest(former):
                self.assertIn(f"  {now} ", help_text)
                self.assertNotIn(f"{former} ", help_text)
                settings = []
                for flag in (former, now):
                    self.tsugi(*self.resume, "-o", "out", "--epochs", "1", flag, value)
                    settings.append(self.result("inspect", "out")["settings"])
                self.assertEqual(settings[0], settings[1])
                name = now[2:].replace("-", "_")
                self.assertAlmostEqual(settings[0][name], json.loads(value), places=6)
                self.refuses([*self.resume, "-o", "out", former, value, now, value], now, status=2)


if __name__ == "__main__":
    support.main()
