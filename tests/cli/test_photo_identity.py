"""Photos under other names, re-exported, copied, exchanged or gone: what was trained on is not evaluated as unseen, copies
stay on one side of the split, another person's photos and people who are gone are refused, and all of it is said."""

import json
import os
import shutil
import struct
import tarfile

import support


def with_exif(jpeg, text):
    """The JPEG with an EXIF block that holds an image description: other bytes, the same picture."""
    text = text.encode() + b"\0" * 4
    tiff = b"II*\0" + struct.pack("<IHHHII", 8, 1, 0x010E, 2, len(text), 26) + struct.pack("<I", 0) + text
    block = b"Exif\0\0" + tiff
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", 2 + len(block)) + block + jpeg[2:]


def without_exif(jpeg):
    (length,) = struct.unpack(">H", jpeg[4:6])
    return jpeg[:2] + jpeg[4 + length :] if jpeg[2:4] == b"\xff\xe1" else jpeg


class PhotoIdentity(support.CommandLine):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.names = cls.people("people", 3, photos=8)
        cls.new = cls.people("new", 1, photos=6, first=9)[0]
        cls.write("tiny.json", json.dumps(support.TINY_MODEL))
        cls.tsugi("pretrain", "people", "-o", "server", *support.TINY)
        cls.before = cls.result("eval", "server", "--photos", "people")

    def setUp(self):
        for name in set(os.listdir(self.folder)) - {"people", "new", "tiny.json", "server"}:
            path = self.path(name)
            shutil.rmtree(path) if os.path.isdir(path) else os.remove(path)

    def files(self, folder, person):
        return sorted(os.listdir(self.path(folder, person)))

    def copy(self, source, target):
        shutil.copytree(self.path(source), self.path(target))
        return target

    def renamed(self, folder="renamed", source="people"):
        """The same photos in other order under new names."""
        for person in self.names:
            os.makedirs(self.path(folder, person))
            for number, file in enumerate(reversed(self.files(source, person))):
                shutil.copy(self.path(source, person, file), self.path(folder, person, f"IMG_{number}.jpg"))
        return folder

    def retagged(self, folder="retagged"):
        """The same photos with the same names and other EXIF blocks."""
        for person in self.names:
            for file in self.files("people", person):
                self.write(f"{folder}/{person}/{file}", with_exif(self.read(f"people/{person}/{file}"), "a holiday"))
        return folder

    def exported(self):
        """The same pictures drawn at another size, and under new names."""
        self.tsugi("synth", "larger", "--people", 3, "--photos", 8, "--size", 96)
        return self.renamed("exported", "larger")

    def exchanged(self):
        """Two people's first photos under each other's names."""
        self.renamed("exchanged")
        a, b = (self.path("exchanged", name, "IMG_0.jpg") for name in self.names[:2])
        os.rename(a, self.path("kept"))
        os.rename(b, a)
        os.rename(self.path("kept"), b)
        return "exchanged"

    def test_photos_with_other_names_tags_or_sizes_are_not_evaluated_as_unseen(self):
        self.assertEqual((self.before["photos"], self.before["photos_trained_on"]), (6, 18))
        for folder in (self.renamed(), self.retagged(), self.renamed("both", self.retagged("tagged")), self.exported()):
            after = self.result("eval", "server", "--photos", folder)
            for key in ("photos", "photos_trained_on", "photos_unknown"):
                self.assertEqual(after[key], self.before[key], (folder, key))
            if folder != "exported":
                self.assertEqual(after["per_class"], self.before["per_class"], folder)

    def test_eval_says_what_it_left_out_and_why(self):
        self.renamed()
        self.tsugi("synth", "others", "--people", 3, "--photos", 8, "--size", 64, "--seed", 7)
        for person, other in zip(self.names, sorted(os.listdir(self.path("others")))):
            shutil.copy(
                self.path("others", other, self.files("others", other)[0]), self.path("renamed", person, "x.jpg")
            )
        command = ("eval", "server", "--photos", "renamed")
        said = self.tsugi(*command).stderr
        self.assertIn("9 of 27 photos are evaluated; 18 were trained on; 3 are unknown to the checkpoint", said)
        self.assertIn("27 of 27 photos are evaluated; 18 were trained on; 3 are", self.tsugi(*command, "--all").stderr)
        found = self.result(*command)
        self.assertEqual([found[f"photos{key}"] for key in ("", "_trained_on", "_unknown")], [9, 18, 3])
        self.tsugi("compact", "server", "-o", "small")
        self.assertIn("small lists no photos", self.tsugi("eval", "small", "--photos", "people").stderr)
        for person in self.names:
            for file in self.files("renamed", person):
                if file != "IMG_0.jpg":
                    os.remove(self.path("renamed", person, file))
        self.tsugi("pretrain", "people", "--test-fraction", 0, "-o", "all", *support.TINY)
        self.refuses(("eval", "all", "--photos", "renamed"), "0 of 3 photos", "3 were trained on", "--all")

    def test_a_bundle_of_photos_with_other_names_or_tags_keeps_the_split(self):
        header, _ = support.parse_safetensors(self.read("server"))
        tests = {self.read(f"people/{name}") for name in json.loads(header["__metadata__"]["test_photos"])}
        for folder in (self.renamed(), self.retagged(), self.renamed("both", self.retagged("tagged"))):
            said = self.tsugi("bundle", "server", "--photos", folder, "--fraction", 1, "-o", "a.tar").stderr
            self.assertNotIn("unknown", said)
            self.assertNotIn("gone", said)
            with tarfile.open(self.path("a.tar")) as tar:
                sent = {name: tar.extractfile(name).read() for name in tar.getnames() if name.endswith(".jpg")}
            self.assertEqual({without_exif(sent[name]) for name in sent if name.startswith("test/")}, tests, folder)
            self.assertEqual(len(sent), 24)
            device = ("--personal", f"new/{self.new}", "-o", "device", *support.TINY[2:])
            before = self.result("resume", "a.tar", *device)["accuracy_general_before"]
            self.assertEqual(before, self.before["accuracy"])

    def test_own_folders_of_training_and_validation_with_equal_names(self):
        for part, first in (("train", 0), ("val", 4)):
            for person in self.names:
                os.makedirs(self.path(part, person))
                for number, file in enumerate(self.files("people", person)[first : first + 4]):
                    shutil.copy(self.path("people", person, file), self.path(part, person, f"{number}.jpg"))
        self.tsugi("pretrain", "train", "--test-fraction", 0, "-o", "all", *support.TINY)
        found = self.result("eval", "all", "--photos", "val")
        self.assertEqual([found[f"photos{key}"] for key in ("", "_trained_on", "_unknown")], [12, 0, 12])

    def test_photos_under_another_persons_name_are_refused(self):
        self.exchanged()
        for command in (
            ("bundle", "server", "--photos", "exchanged", "-o", "out"),
            ("pretrain", "exchanged", "--continue", "server", "-o", "out", "--epochs", "2"),
        ):
            self.refuses(command, f"{self.names[0]}/IMG_0.jpg", f'knows as "{self.names[1]}/', "another person's")
        said = self.tsugi("eval", "server", "--photos", "exchanged").stderr
        self.assertIn(f"2 are known as another person's, {self.names[0]}/IMG_0.jpg is \"{self.names[1]}/", said)

    def test_copies_stay_on_one_side_and_are_counted_aloud(self):
        self.copy("people", "copies")
        for person in self.names:
            for file in self.files("people", person):
                self.write(f"copies/{person}/copy_of_{file}", with_exif(self.read(f"people/{person}/{file}"), "a copy"))
        said = self.tsugi("pretrain", "copies", "-o", "doubled", *support.TINY).stderr
        self.assertIn("24 of 48 photos are copies or near-copies of others of the same person", said)
        header, _ = support.parse_safetensors(self.read("doubled"))
        train, test = (json.loads(header["__metadata__"][f"{role}_photos"]) for role in ("train", "test"))
        contents = [{name.replace("copy_of_", "") for name in names} for names in (train, test)]
        self.assertFalse(contents[0] & contents[1])
        self.assertEqual((len(train), len(test)), (36, 12))
        self.tsugi("compact", "doubled", "-o", "small")
        for checkpoint in ("doubled", "small"):
            found = self.tsugi("eval", checkpoint, "--photos", "copies")
            self.assertIn("24 of 48 photos are copies", found.stderr)
            self.assertIn("36 were trained on", found.stderr)

    def test_copies_of_personal_photos_stay_on_one_side(self):
        self.tsugi("bundle", "server", "--photos", "people", "-o", "a.tar")
        self.copy("new", "album")
        for file in self.files("new", self.new):
            shutil.copy(self.path("new", self.new, file), self.path("album", self.new, "copy_of_" + file))
        said = self.tsugi("resume", "a.tar", "--personal", "album", "-o", "device", *support.TINY[2:]).stderr
        self.assertIn("photos are copies or near-copies", said)
        header, _ = support.parse_safetensors(self.read("device"))
        contents = [set(json.loads(header["__metadata__"][f"{role}_digests"])) for role in ("train", "test")]
        self.assertFalse(contents[0] & contents[1])

    def test_the_same_photo_under_two_people_is_told_and_goes_on(self):
        self.copy("people", "shared")
        file = self.files("people", self.names[0])[0]
        shutil.copy(self.path("people", self.names[0], file), self.path("shared", self.names[1], "x.jpg"))
        told = f"photos that stand under two people: 1, {self.names[0]}/{file} and {self.names[1]}/x.jpg the first"
        self.assertIn(told, self.tsugi("pretrain", "shared", "-o", "trained", *support.TINY).stderr)
        said = self.tsugi("bundle", "trained", "--photos", "shared", "-o", "out.tar").stderr
        self.assertIn(told, said)
        self.assertNotIn("unknown", said)

    def test_photos_that_came_as_activations_are_known_under_other_names(self):
        self.tsugi(
            *("bundle", "server", "--photos", "people", "--fraction", 1, "--as", "features", "--cut", "conv1"),
            *("--variants", 2, "-o", "features.tar"),
        )
        self.tsugi("resume", "features.tar", "--personal", "new", "-o", "device", "--epochs", 1, "--threads", 1)
        found = [self.result("eval", "device", "--photos", folder) for folder in ("people", self.renamed())]
        for key in ("photos", "photos_trained_on", "photos_unknown"):
            self.assertEqual(found[0][key], found[1][key], key)
        self.assertEqual(found[0]["photos_trained_on"], 18)

    def test_a_run_goes_on_with_other_tags_and_says_what_was_renamed(self):
        goes_on = ("--continue", "server", "-o", "out", "--epochs", 2)
        self.tsugi("pretrain", self.retagged(), *goes_on)
        tagged = support.tensors(self.read("out"))
        self.tsugi("pretrain", "people", *goes_on)
        self.assertEqual(support.tensors(self.read("out")), tagged)
        os.remove(self.path("out"))
        self.refuses(("pretrain", self.renamed(), *goes_on), "24 were renamed", f"{self.names[0]}/IMG_")

    def test_photos_that_are_gone_or_new_are_counted(self):
        self.copy("people", "fewer")
        first, second, *_ = self.files("fewer", self.names[0])
        os.remove(self.path("fewer", self.names[0], first))
        shutil.copy(
            self.path("new", self.new, self.files("new", self.new)[0]), self.path("fewer", self.names[1], "x.jpg")
        )
        said = self.tsugi("bundle", "server", "--photos", "fewer", "-o", "out.tar").stderr
        self.assertIn(f'1 of the 24 photos that server knows are gone, "{self.names[0]}/{first}" the first', said)
        self.assertIn(f"1 of 24 photos are unknown to server, {self.names[1]}/x.jpg the first", said)

    def test_people_who_are_gone_are_named_and_accepted_on_request(self):
        self.copy("people", "fewer")
        shutil.rmtree(self.path("fewer", self.names[1]))
        self.tsugi("compact", "server", "-o", "small")
        bundle = ["bundle", "server", "--photos", "fewer", "-o", "out.tar"]
        more = ["pretrain", "fewer", "--continue", "small", "-o", "out", "--epochs", "2", *support.TINY[4:]]
        for command in (bundle, more):
            self.refuses(command, "1 of the 3 people", self.names[1], "--allow-missing-people")
        whole = ("pretrain", "fewer", "--continue", "server", "-o", "out", "--allow-missing-people")
        self.refuses(whole, "8 are missing", self.names[1])  # a run goes on with its photos
        for command in (bundle, more):
            said = self.tsugi(*command, "--allow-missing-people").stderr
            self.assertIn(f"1 of the 3 people whom the checkpoint knows ({self.names[1]})", said)


if __name__ == "__main__":
    support.main()
