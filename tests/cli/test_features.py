"""Activations instead of photos, as a user does it: bundle --as features, inspect, resume, eval, predict; and what is refused."""

import hashlib
import json
import os
import shutil
import subprocess
import tarfile

import support

OPTIONS = ("--epochs", "2", "--augment", "3", "--batch", "8", "--threads", "1")
MODEL = {
    "name": "small",
    "training": {"lr": 0.05},
    "input": [32, 32, 3],
    "layers": [
        {"type": "conv2d", "name": "stem", "filters": 8, "kernel": 3, "stride": 2, "pad": 1},
        {"type": "relu", "name": "stem_out"},
        {"type": "conv2d", "name": "conv1", "filters": 8, "kernel": 3, "pad": 1},
        {"type": "batch_norm", "name": "bn1"},
        {"type": "add", "name": "sum", "inputs": ["bn1", "stem_out"]},
        {"type": "relu", "name": "out1"},
        {"type": "conv2d", "name": "conv2", "filters": 8, "kernel": 3, "stride": 2, "pad": 1},
        {"type": "batch_norm", "name": "bn2"},
        {"type": "relu", "name": "out2"},
        {"type": "global_average_pool", "name": "gap"},
        {"type": "flatten", "name": "flat"},
        {"type": "dense", "name": "head", "units": "classes"},
    ],
}


class Features(support.CommandLine):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.general = cls.people("people", 3, photos=8)
        cls.new = cls.people("new", 1, photos=8, first=4)[0]
        cls.write("model.json", json.dumps(MODEL))
        cls.tsugi("pretrain", "people", "-o", "server.safetensors", "--model", "model.json", *OPTIONS)
        cls.bundled = cls.bundle("features.tar", "--cut", "out1", "--variants", "3")
        cls.resumed = cls.result(
            "resume",
            "features.tar",
            "--personal",
            "new",
            "-o",
            "device.safetensors",
            "--epochs",
            "2",
            "--threads",
            "1",
            "--keep",
            "trained",
        )

    @classmethod
    def bundle(cls, output, *options, checkpoint="server.safetensors"):
        return cls.result(
            "bundle",
            checkpoint,
            "--photos",
            "people",
            "--fraction",
            "0.5",
            "--as",
            "features",
            "-o",
            output,
            "--threads",
            "1",
            *options,
        )

    def members(self, name):
        with tarfile.open(self.path(name)) as tar:
            return {member.name: tar.extractfile(member).read() for member in tar}

    def test_no_photo_leaves_and_the_bytes_are_stated(self):
        members = self.members("features.tar")
        self.assertEqual(
            list(members),
            [
                "manifest.json",
                "checkpoint.safetensors",
                "tensors/activations.safetensors",
                "tensors/knowledge.safetensors",
            ],
        )
        arrays = support.tensors(members["tensors/activations.safetensors"])
        photos, tests = self.bundled["photos"], self.bundled["test_photos"]
        self.assertGreater(photos, 0)
        self.assertGreater(tests, 0)
        self.assertEqual(arrays["train"][:2], ("U8", [photos, 3, 16, 16, 8]))
        self.assertEqual(arrays["test"][:2], ("U8", [tests, 16, 16, 8]), "test photos travel in one variant")
        self.assertEqual(self.bundled["bytes_features"], (3 * photos + tests) * 16 * 16 * 8)
        header, _ = support.parse_safetensors(members["tensors/activations.safetensors"])
        files = sum((json.loads(header["__metadata__"][key]) for key in ("train_files", "test_files")), [])
        self.assertEqual(
            self.bundled["bytes_photos_instead"], sum(os.path.getsize(self.path("people", file)) for file in files)
        )
        self.assertEqual(self.bundled["cut"], "out1")
        self.assertEqual(self.bundled["variants"], 3)
        self.assertLess(self.bundled["step_flops_share"], 1)
        for file in files:
            self.assertNotIn(self.read(f"people/{file}"), self.read("features.tar"))

    def test_people_read_what_travels_and_what_a_step_costs(self):
        done = self.tsugi(
            "bundle",
            "server.safetensors",
            "--photos",
            "people",
            "--fraction",
            "0.5",
            "--as",
            "features",
            "-o",
            "said.tar",
            "--variants",
            "2",
        )
        for part in ("activations of", "for photos of", "% of the whole model's FLOPs"):
            self.assertIn(part, done.stdout)

    def test_the_result_is_an_ordinary_checkpoint(self):
        self.assertEqual(self.resumed["epochs"], 2)
        before, after = (support.tensors(self.read(f"{name}.safetensors")) for name in ("server", "device"))
        for name, (dtype, shape, data) in before.items():
            if "/" in name or name.startswith("head."):
                continue
            lower = name.startswith(("stem", "conv1", "bn1"))
            fixed = lower or name.endswith(("running_mean", "running_var"))  # a hand-over leaves statistics alone
            self.assertEqual(after[name][2] == data, fixed, f"{name}: frozen below the cut, trained above")
        self.assertEqual(after["head.weight"][1], [4, 8])
        evaluated = self.result("eval", "device.safetensors", "--photos", "people")
        self.assertEqual(
            evaluated["accuracy"], self.resumed["accuracy_general"], "eval sees the same test photos, decoded"
        )
        predicted = self.result(
            "predict",
            "device.safetensors",
            self.path("new", self.new, sorted(os.listdir(self.path("new", self.new)))[0]),
        )
        self.assertEqual(len(predicted["predictions"]), 1)

    def test_a_run_is_the_same_twice_and_goes_on_after_a_stop(self):
        self.bundle("again.tar", "--cut", "out1", "--variants", "3")
        self.assertEqual(self.read("again.tar"), self.read("features.tar"))
        self.tsugi(
            "resume",
            "features.tar",
            "--personal",
            "new",
            "-o",
            "one.safetensors",
            "--epochs",
            "1",
            "--threads",
            "1",
            "--quiet",
        )
        done = self.result(
            "resume",
            "features.tar",
            "--personal",
            "new",
            "--continue",
            "one.safetensors",
            "-o",
            "two.safetensors",
            "--epochs",
            "2",
            "--threads",
            "1",
        )
        self.assertEqual(done["epochs"], 2)

    def test_inspect_lists_the_layers_and_a_bundle_s_arrays(self):
        listed = self.result("inspect", "server.safetensors")
        cuts = {cut["layer"]: cut for cut in listed["cuts"]}
        self.assertEqual(list(cuts), ["stem", "stem_out", "sum", "out1", "conv2", "bn2", "out2", "gap", "flat"])
        self.assertEqual(cuts["out1"]["bytes"], 16 * 16 * 8)
        self.assertIn(listed["default_cut"], cuts)
        self.assertEqual(self.bundle("default.tar", "--variants", "1")["cut"], listed["default_cut"])
        self.assertIn("features: layers to cut at", self.tsugi("inspect", "faces-resnet").stdout)
        arrays = self.result("inspect", "features.tar")["bundle"]["tensors"]["activations"]
        self.assertEqual({array["name"] for array in arrays}, {"train", "test", "scale", "offset"})

    def test_compact_checkpoints_and_no_test_photos(self):
        result = self.bundle("small.tar", "--cut", "out1", "--variants", "2", "--compact", "int8", "--no-test")
        self.assertEqual(result["test_photos"], 0)
        done = self.result(
            "resume", "small.tar", "--personal", "new", "-o", "small.safetensors", "--epochs", "1", "--threads", "1"
        )
        self.assertIsNone(done["accuracy_general"])
        self.assertIsNotNone(done["accuracy_personal"])

    def test_cuts_that_cannot_be_are_refused(self):
        bundle = ("bundle", "server.safetensors", "--photos", "people", "--as", "features", "-o", "no.tar")
        self.refuses((*bundle, "--cut", "nowhere"), "nowhere", "no such layer", "stem, stem_out, sum, out1")
        self.refuses((*bundle, "--cut", "head"), "head", "nothing would be left to train")
        self.refuses((*bundle, "--cut", "conv1"), "conv1", "sum reads stem_out", "out1")
        self.refuses((*bundle, "--variants", "0"), "--variants", status=2)
        self.refuses((*bundle, "--as", "pixels"), "--as", status=2)
        self.refuses(
            ("bundle", "server.safetensors", "--photos", "people", "-o", "no.tar", "--cut", "out1"),
            "--cut",
            "--as features",
            status=2,
        )
        self.refuses(
            ("bundle", "server.safetensors", "--photos", "people", "-o", "no.tar", "--variants", "4"),
            "--variants",
            "--as features",
            status=2,
        )
        self.refuses(
            ("resume", "features.tar", "--personal", "new", "-o", "no.safetensors", "--augment", "5"), "3 variants", "5"
        )

    def rebuilt(self, name, change):
        """features.tar with its members changed and its manifest made to fit."""
        members = self.members("features.tar")
        change(members)
        manifest = json.loads(members["manifest.json"])
        for member in manifest["members"]:
            member["size"] = len(members[member["name"]])
            member["sha256"] = hashlib.sha256(members[member["name"]]).hexdigest()
        members["manifest.json"] = json.dumps(manifest).encode()
        os.makedirs(self.path("pack"), exist_ok=True)
        for member, data in members.items():
            self.write(f"pack/{member}", data)
        subprocess.run(["tar", "--format=ustar", "-cf", self.path(name), "-C", self.path("pack"), *members], check=True)
        shutil.rmtree(self.path("pack"))
        return name

    def test_features_of_another_checkpoint_are_refused(self):
        self.tsugi("pretrain", "people", "-o", "other.safetensors", "--model", "model.json", "--seed", "9", *OPTIONS)
        self.bundle("other.tar", "--cut", "out1", "--variants", "3", checkpoint="other.safetensors")
        other = self.members("other.tar")
        name = self.rebuilt(
            "mixed.tar",
            lambda members: members.update(
                {"tensors/activations.safetensors": other["tensors/activations.safetensors"]}
            ),
        )
        self.refuses(
            ("resume", name, "--personal", "new", "-o", "no.safetensors"), "mixed.tar", "weights below out1", "digest"
        )

    def test_cut_and_hostile_arrays_are_refused(self):
        activations = "tensors/activations.safetensors"

        def header(change):
            def spoil(members):
                text, body = support.parse_safetensors(members[activations])
                change(text)
                members[activations] = support.build_safetensors(text, body)

            return spoil

        resume = ("--personal", "new", "-o", "no.safetensors")
        name = self.rebuilt("cut.tar", lambda members: members.update({activations: members[activations][:-100]}))
        self.refuses(("resume", name, *resume), "activations")
        name = self.rebuilt(
            "label.tar",
            header(
                lambda text: text["__metadata__"].update(
                    train_files=text["__metadata__"]["train_files"].replace(self.general[0], "Somebody")
                )
            ),
        )
        self.refuses(("resume", name, *resume), "Somebody", "3 people")
        name = self.rebuilt("model.tar", header(lambda text: text["__metadata__"].update(model_sha256="0" * 64)))
        self.refuses(("resume", name, *resume), "model", "digest")
        name = self.rebuilt("variants.tar", header(lambda text: text["__metadata__"].update(variants="0")))
        self.refuses(("resume", name, *resume), "variants", "0", "1 to 10000")


if __name__ == "__main__":
    support.main()
