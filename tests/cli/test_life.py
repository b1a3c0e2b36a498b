"""tsugi experiment life on drawn people: who joins and leaves, what is kept, and what it refuses."""

import csv
import io
import json
import os
import re
import shutil
import stat
import xml.etree.ElementTree

import support


class Life(support.CommandLine):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.names = cls.people("people", 5)
        cls.tony = cls.people("tony", 1, photos=8, first=9)[0]
        cls.people("strangers", 3, photos=2, first=20)
        cls.people("others", 3, photos=1, first=30)
        cls.write("tiny.json", json.dumps(support.TINY_MODEL))
        cls.command = (
            *("experiment", "life", "--people", "people", "--personal", f"tony/{cls.tony}", "--model", "tiny.json"),
            *("--epochs", "1", "--photos", "2,5", "--crowd-photos", "2", "--held-back", "2", "--fractions", "0,1"),
            *("--release-epochs", "1", "--strangers", "strangers", "--train-strangers", "others"),
            *("--threads", "1"),
        )
        cls.summary = json.loads(
            cls.tsugi(*cls.command, "--seeds", "2", "--servers", "2", "-o", "life", "--json").stdout.splitlines()[-1]
        )

    def rows(self, folder="life"):
        return list(csv.DictReader(io.StringIO(self.read(f"{folder}/life.csv").decode())))

    def test_everybody_joins_alone_then_one_after_another_and_leaves(self):
        rows = self.rows()
        self.assertEqual(len(rows), self.summary["rows"])
        servers = ["1-1", "1-2", "2-1", "2-2"]
        self.assertEqual(sorted({row["server"] for row in rows}), servers)
        for server in servers:
            mine = [row for row in rows if row["server"] == server]
            joins = [row for row in mine if row["event"] == "joins"]
            held = {row["person"] for row in joins} - {self.tony}
            self.assertEqual(len(held), 2)
            self.assertLess(held, set(self.names))
            # Three photos more than five has only tony; two of six leave four to test.
            self.assertEqual(
                sorted((row["fraction"], row["photos"], row["personal_photos"]) for row in joins),
                sorted((f, *pair) for f in ("0", "1") for pair in [("2", "4")] * 2 + [("2", "6"), ("5", "3")]),
            )
            crowd = [(row["event"], row["people"], row["same"]) for row in mine if row["event"] != "joins"]
            self.assertEqual(
                crowd,
                [
                    ("all", "1", "yes"),
                    ("all", "2", "yes"),
                    ("release", "2", ""),
                    ("carried", "2", ""),
                    ("leaves", "1", "yes"),
                ],
            )
            self.assertEqual({row["general_photos"] for row in mine}, {"3"})  # one of each server person's six
        for seed in "12":  # each server of a seed does without others
            held = [
                {row["person"] for row in rows if row["server"] == f"{seed}-{turn}" and row["event"] == "joins"}
                for turn in "12"
            ]
            self.assertEqual(held[0] & held[1], {self.tony})
        for row in rows:
            for name in ("general_before", "general", "personal"):
                self.assertTrue(0 <= float(row[name]) <= 1, row)

    def test_strangers_are_taken_for_somebody_as_eval_counts_them(self):
        figures = ("auroc", "accepted", "named_owner", "owner_auroc")
        for row in self.rows():
            given = [row[name] != "" for name in figures]
            self.assertIn(sum(given), (0, 4), row)
            if row["event"] != "joins" or row["fraction"] == "0":  # those that were trained have no statistics
                self.assertTrue(all(given), row)
        server = "life/servers/1-1.safetensors"
        told = self.result("inspect", server)
        self.assertEqual(told["provenance"]["strangers"], {"people": 3, "photos": 3})
        for name in told["class_names"]:
            shutil.copytree(self.path("people", name), self.path("known", name))
        self.tsugi("bundle", server, "--photos", "known", "--fraction", "0", "-o", "none.tar", "--threads", "1")
        self.tsugi(
            *("resume", "none.tar", "--personal", f"tony/{self.tony}", "--personal-photos", "5"),
            *("--test-fraction", "0.375", "-o", "device", "--threads", "1"),
        )
        shutil.copytree(self.path("tony", self.tony), self.path("known", self.tony))
        found = self.result("eval", "device", "--photos", "known", "--strangers", "strangers", "--threads", "1")
        found.update(found["strangers"])
        (row,) = [
            row
            for row in self.rows()
            if (row["server"], row["person"], row["photos"], row["fraction"]) == ("1-1", self.tony, "5", "0")
        ]
        for name in figures:
            self.assertAlmostEqual(float(row[name]), found[name], delta=1e-4, msg=name)

    def test_the_page_is_whole_and_everything_its_owner_s_alone(self):
        page = self.read("life/index.html").decode()
        root = xml.etree.ElementTree.fromstring(page.split("\n", 1)[1])
        text = "".join(root.itertext())
        for words in (
            "4 servers",
            "2 joined",
            "without photos",
            "one leaves, 1 stay",
            "4 of 4",
            "strangers accepted",
            "tsugi experiment life --people people",
        ):
            self.assertIn(words, text)
        for name in ("life.csv", "index.html"):
            self.assertEqual(stat.S_IMODE(os.stat(self.path("life", name)).st_mode), 0o600)
        self.assertFalse(os.path.exists(self.path("life/work")))

    def test_servers_are_kept_and_the_same_life_has_the_same_rows(self):
        before = {name: self.read(f"life/servers/{name}") for name in os.listdir(self.path("life/servers"))}
        rows = self.read("life/life.csv")
        told = self.tsugi(*self.command, "--seeds", "2", "--servers", "2", "-o", "life").stderr
        self.assertEqual(len(re.findall("  joins  ", told)), 32)
        self.assertEqual(self.read("life/life.csv"), rows)
        self.assertEqual({name: self.read(f"life/servers/{name}") for name in before}, before)

    def test_means_of_two_say_of_what(self):
        shutil.copytree(self.path("life"), self.path("two"))
        self.tsugi(*self.command, "--seeds", "1", "--servers", "2", "-o", "two")
        told = set(re.findall(r"\(2 [a-z-]+\)", self.read("two/index.html").decode()))
        self.assertEqual(told, {"(2 hand-overs)", "(2 servers)"})  # two for tony, whom alone both servers do without

    def test_what_cannot_be_lived_is_refused(self):
        life = [*self.command, "--servers", "1"]
        self.refuses([*life, "-o", "people"], "people", "life.json", "a new folder expected")
        more = life.copy()
        more[more.index("--held-back") + 1] = "3"
        self.refuses([*more, "-o", "life"], "held_back is 2, this life has 3")
        more[more.index("--held-back") + 1] = "4"
        self.refuses([*more, "-o", "new"], "people: holds 5 people, at least 6 expected")
        both = life.copy()
        both[both.index("--personal") + 1] = "people"
        self.refuses([*both, "-o", "new"], "people: holds photos of 5 people, 1 expected")
        known = life.copy()
        known[known.index("--strangers") + 1] = "tony"
        self.refuses([*known, "-o", "new"], f"tony: {self.tony} is also in tony/{self.tony}")
        known[known.index("--strangers") + 1] = "others"
        self.refuses([*known, "-o", "new"], "others: ", "is also in others")
        self.refuses([*life, "-o", "new", "--photos", "0"], "--photos", status=2)
        self.refuses([*life, "-o", "new", "--fractions", "2"], "2", status=2)


if __name__ == "__main__":
    support.main()
