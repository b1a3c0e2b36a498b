"""tsugi predict and eval photo by photo: folders at any depth, bad files among good ones, lines as they come, JSON lines."""

import json
import os
import shutil
import signal
import subprocess

import support

HOSTILE = "a\u202eb\x1b[2J\n.png"


class Album(support.CommandLine):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.names = cls.people("people", 2)
        cls.write("tiny.json", json.dumps(support.TINY_MODEL))
        cls.tsugi("pretrain", "people", "-o", "server", *support.TINY)
        source = cls.path("people", cls.names[0])
        cls.photos = sorted(os.listdir(source))
        cls.good = cls.read(os.path.join("people", cls.names[0], cls.photos[0]))
        for name in ("album/2.png", "album/1.JPG", "album/2019/summer/sea.jpeg", "album/.hidden/no.jpg"):
            cls.write(name, cls.good)
        cls.write("album/.no.jpg", cls.good)
        cls.write("album/__MACOSX/._1.JPG", "resource fork")
        cls.write("album/notes.txt", "text")
        cls.write("bad.jpg", "text")
        os.makedirs(cls.path("long"))  # more lines than a pipe holds: who prints them waits for who reads them
        for i in range(2000):
            os.link(cls.path("album/2.png"), cls.path(f"long/{i:04}.jpg"))
        cls.album = ["album/1.JPG", "album/2.png", "album/2019/summer/sea.jpeg"]

    def lines(self, *arguments, status=0):
        done = self.tsugi(*arguments, "--json-lines", status=status)
        self.assertTrue(done.stdout.isascii())
        return [json.loads(line) for line in done.stdout.splitlines()]

    def test_folders_are_searched_at_any_depth(self):
        result = self.result("predict", "server", "album", f"people/{self.names[0]}/{self.photos[0]}")
        expected = [*self.album, f"people/{self.names[0]}/{self.photos[0]}"]
        self.assertEqual([entry["photo"] for entry in result["predictions"]], expected)
        self.assertEqual(result["predictions"][0]["top"], result["predictions"][3]["top"])

    def test_links_are_followed_and_loops_end(self):
        shutil.copytree(self.path("album"), self.path("looped"))
        self.addCleanup(shutil.rmtree, self.path("looped"))
        os.symlink("..", self.path("looped", "2019", "up"))
        os.symlink("../people", self.path("looped", "friends"))
        found = [entry["photo"] for entry in self.lines("predict", "server", "looped")]
        self.assertEqual(len(found), len(set(found)))
        self.assertEqual(len(found), len(self.album) + 2 * len(self.photos))

    def test_a_bad_file_does_not_stop_the_others(self):
        alone = self.result("predict", "server", self.album[0])
        for bad in ("bad.jpg", "missing.jpg"):
            done = self.tsugi("predict", "server", bad, self.album[0], "album", "--quiet", "--json", status=1)
            result = json.loads(done.stdout)
            self.assertEqual([entry["photo"] for entry in result["predictions"]], [self.album[0], *self.album])
            self.assertEqual(result["predictions"][0], alone["predictions"][0])
            self.assertEqual([entry["photo"] for entry in result["errors"]], [bad])
            self.assertEqual(done.stderr, f"tsugi: error: {result['errors'][0]['error']}\n")
            self.assertTrue(done.stderr.startswith(f"tsugi: error: {bad}: "), done.stderr)
        done = self.tsugi("predict", "server", "bad.jpg", "missing.jpg", "--audit", "audit.json", status=1)
        self.assertEqual(done.stderr.count("tsugi: error: "), 2)
        audit = json.loads(self.read("audit.json"))
        self.assertRegex(audit["error"], "^bad.jpg: .*, and 1 more errors$")
        self.assertEqual([audit["exit_status"], audit["stopped"]], [1, False])

    def test_a_folder_without_photos_is_told(self):
        os.makedirs(self.path("empty/below"), exist_ok=True)
        done = self.tsugi("predict", "server", "empty", "album", "--quiet", "--json", status=1)
        self.assertIn("empty: holds no photo", done.stderr)
        self.assertEqual(len(json.loads(done.stdout)["predictions"]), 3)

    def test_a_folder_that_cannot_be_listed_is_told(self):
        if os.geteuid() == 0:
            self.skipTest("root can list every folder")
        os.makedirs(self.path("shut/inner"))
        self.write("shut/1.jpg", self.good)
        os.chmod(self.path("shut/inner"), 0)
        self.addCleanup(os.chmod, self.path("shut/inner"), 0o700)
        found = self.lines("predict", "server", "shut", status=1)
        self.assertEqual([entry["photo"] for entry in found], ["shut", "shut/1.jpg"])
        self.assertIn("shut/inner: cannot be read", found[0]["error"])

    def test_people_read_a_line_a_photo(self):
        lines = self.tsugi("predict", "server", "album", "--top", "2").stdout.splitlines()
        self.assertEqual([line.split("  ")[0] for line in lines], self.album)
        for line in lines:
            self.assertRegex(line, rf"  ({'|'.join(self.names)}) +\d+\.\d %  ({'|'.join(self.names)}) +\d+\.\d %$")
        self.assertEqual(len({len(line) for line in lines}), 1, lines)

    def reading_long(self):
        """`predict` at work on 2,000 photos, its output for the test to read."""
        return subprocess.Popen(
            [support.BINARY, "predict", "server", "long", "--json-lines", "--quiet"],
            cwd=self.folder,
            env=support.environment(),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def test_lines_come_before_the_last_photo_is_read(self):
        last = self.path("long/1999.jpg")
        self.addCleanup(os.link, self.path("long/0000.jpg"), last)
        with self.reading_long() as process:
            first = json.loads(process.stdout.readline())
            os.remove(last)  # what is read later than the first line was printed is missing
            rest, said = process.stdout.read(), process.stderr.read()
        found = [first, *map(json.loads, rest.splitlines())]
        self.assertEqual([entry["photo"] for entry in found], [f"long/{i:04}.jpg" for i in range(2000)])
        self.assertEqual([entry["photo"] for entry in found if "error" in entry], ["long/1999.jpg"])
        self.assertEqual((process.returncode, said.count("\n")), (1, 1), said)

    def test_a_reader_that_goes_away_ends_it(self):
        with self.reading_long() as process:
            process.stdout.readline()
            process.stdout.close()
            self.assertEqual(process.wait(), 1)
            self.assertRegex(process.stderr.read(), "^tsugi: error: standard output cannot be written: Broken pipe")

    def test_json_lines_of_predict(self):
        whole = self.result("predict", "server", "album", "--top", "2")
        lines = self.lines("predict", "server", "bad.jpg", "album", "--top", "2", status=1)
        self.assertEqual(lines[1:], whole["predictions"])
        self.assertEqual(sorted(lines[0]), ["error", "photo"])

    def test_json_lines_of_eval(self):
        whole = self.result("eval", "server", "--photos", "people", "--all")
        done = self.tsugi("eval", "server", "--photos", "people", "--all", "--json-lines")
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual(len(lines), whole["photos"])
        self.assertAlmostEqual(sum(line["correct"] for line in lines) / len(lines), whole["accuracy"])
        self.assertIn(f"accuracy {100 * whole['accuracy']:.1f} %", done.stderr)
        for line in lines:
            self.assertEqual(line["correct"], line["person"] == line["predicted"])
            self.assertTrue(os.path.isfile(self.path(line["photo"])), line)
            top = self.result("predict", "server", line["photo"])["predictions"][0]["top"][0]
            self.assertEqual(line["predicted"], top["name"])
            self.assertAlmostEqual(line["probability"], top["probability"], places=5)

    def test_json_lines_of_eval_tell_broken_photos(self):
        shutil.copytree(self.path("people"), self.path("damaged"))
        self.addCleanup(shutil.rmtree, self.path("damaged"))
        broken = os.path.join("damaged", self.names[0], self.photos[0])
        self.write(broken, "text")
        lines = self.lines("eval", "server", "--photos", "damaged", "--all")
        self.assertEqual([line["photo"] for line in lines if "error" in line], [broken])
        self.assertEqual(len(lines), 12)

    def test_hostile_names_stay_text(self):
        self.write(f"strange/{HOSTILE}", self.good)
        os.rename(self.path("strange", HOSTILE), os.fsencode(self.path("strange", "")) + b"\xff\x9b31m.png")
        self.write(f"strange/{HOSTILE}", self.good)
        found = self.lines("predict", "server", "strange")
        self.assertEqual([entry["photo"] for entry in found], [f"strange/{HOSTILE}", "strange/\ufffd\ufffd31m.png"])
        text = self.tsugi("predict", "server", "strange").stdout
        self.assertIn("strange/a\\u{202e}b\\x1b[2J\\n.png", text)
        self.assertIn("strange/\\xff\\x9b31m.png", text)
        self.assertEqual(len(text.splitlines()), 2)

    def test_one_form_of_json_at_a_time(self):
        for command in (["predict", "server", "album"], ["eval", "server", "--photos", "people"]):
            self.refuses([*command, "--json", "--json-lines"], "--json-lines", "--json", status=2)
        self.refuses(["eval", "server", "--photos", "people", "--confusion", "--json-lines"], "--confusion", status=2)

    def test_a_stop_says_how_far_it_came(self):
        with self.reading_long() as process:
            process.stdout.readline()
            process.send_signal(signal.SIGINT)
            rest, said = process.stdout.read(), process.stderr.read()
        self.assertEqual(process.returncode, 1)
        found = len(rest.splitlines()) + 1
        self.assertEqual(said, f"tsugi: error: stopped by a signal after {found} of 2000 photos\n")


if __name__ == "__main__":
    support.main()
