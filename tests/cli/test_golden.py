"""Files that version 0.1.0 wrote are read as it read them: checkpoints of every kind, bundles, an experiment's folder.
tests/data/golden holds them, tests/data/make_golden_files.sh says how they were made. Settings of the hand-over had other
names then."""

import json
import os
import shutil
import unittest

import support
from support import tensors

GOLDEN = os.path.join(os.environ.get("TSUGI_TEST_DATA", ""), "golden")
# What 0.1.0 said of each: the mean loss of the three photos that it never trained on. It decoded JPEG with stb_image;
# libjpeg-turbo rounds here and there by 1 of 255 otherwise, which moves the losses by up to 1.1e-4.
LOSS = {
    "server": 1.08535,
    "server-fp16": 1.08535,
    "server-int8": 1.08538,
    "device": 1.30301,
    "device-features": 1.33328,
}
HANDOVER = {
    "weight_interpolation": 0.5,
    "new_class_scale": 0.9,
    "new_class_bias_shift": 0.25,
    "distillation": 0.3,
    "distillation_temperature": 3,
}
QUICK = ("--threads", "1", "--precision", "fp32", "--tuning", "off")


class Golden(support.CommandLine):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        shutil.copytree(GOLDEN, cls.folder, dirs_exist_ok=True)

    def handover_settings(self, checkpoint):
        settings = self.result("inspect", checkpoint)["settings"]
        return {name: round(settings[name], 6) for name in HANDOVER}

    def test_checkpoints_of_every_kind_know_what_they_knew(self):
        for name, loss in LOSS.items():
            said = self.result("eval", f"{name}.safetensors", "--photos", "general")
            self.assertEqual(said["photos"], 3, name)
            self.assertAlmostEqual(said["loss"], loss, delta=3e-4, msg=name)

    def test_weights_are_read_as_they_are(self):
        self.tsugi("compact", "server.safetensors", "--as", "fp16", "-o", "again.safetensors")
        self.assertEqual(tensors(self.read("again.safetensors")), tensors(self.read("server-fp16.safetensors")))

    def test_pretraining_goes_on(self):
        self.tsugi(
            "pretrain", "general", "--continue", "server.safetensors", "--epochs", 3, *QUICK, "-o", "more.safetensors"
        )
        said = self.result("inspect", "more.safetensors")
        self.assertEqual(said["progress"]["epoch"], 3)

    def test_bundles_are_taken_over(self):
        for bundle in ("photos.tar", "features.tar"):
            self.assertEqual(self.result("inspect", bundle)["bundle"]["strategy"], "stratified")
            said = self.result(
                "resume", bundle, "--personal", "personal/Momo_Ravene", "--epochs", 1, *QUICK, "-o", "new.safetensors"
            )
            self.assertEqual(said["epochs"], 1)

    def test_a_device_goes_on_with_its_settings(self):
        self.assertEqual(self.handover_settings("device.safetensors"), HANDOVER)
        self.tsugi(
            *("resume", "photos.tar", "--personal", "personal/Momo_Ravene", "--continue", "device.safetensors"),
            *("--epochs", 3, *QUICK, "-o", "more.safetensors"),
        )
        self.assertEqual(self.handover_settings("more.safetensors"), HANDOVER)
        self.assertEqual(self.result("inspect", "more.safetensors")["progress"]["epoch"], 3)

    def test_an_experiment_is_reported(self):
        said = self.result("experiment", "report", "report")
        self.assertEqual(said["cells"], 3)
        with open(self.path("report/results.csv")) as file:
            rows = file.read()
        with open(self.path("report/cells/p3_s1_default_f0.5.json")) as file:
            cell = json.load(file)
        self.assertIn(f",{cell['accuracy']},{cell['accuracy_general']},{cell['accuracy_personal']},", rows)


if __name__ == "__main__":
    support.main()
