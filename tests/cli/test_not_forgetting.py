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
        self.assertIn("frozen until bn1: 20 parameters learn", self.tsugi(*self.resume, "-o", "frozen", "--epochs", "1", "--freeze-until", "bn1").stderr)
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
        self.tsugi(*self.resume, "--continue", "frozen", "-o", "thawed", "--epochs", "2", "--freeze-until", "")
        self.assertNotEqual(support.tensors(self.read("thawed"))["conv1.weight"], server["conv1.weight"])


if __name__ == "__main__":
    support.main()
