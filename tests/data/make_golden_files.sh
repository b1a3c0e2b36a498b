#!/usr/bin/env bash
# Wrote tests/data/golden with version 0.1.0 of the command line: what people and devices have on their disks. It is not
# run again: a file that a new program wrote proves nothing about old ones. cli/test_golden.py reads the files.
#   tests/data/make_golden_files.sh TSUGI FOLDER
set -euo pipefail
tsugi=$(realpath "$1")
mkdir -p "$2"
cd "$2"
quick=(--epochs 2 --augment 2 --batch 8 --threads 1 --precision fp32 --tuning off --quiet)
"$tsugi" synth general --people 3 --photos 5 --size 32 --quiet
"$tsugi" synth personal --people 1 --photos 4 --size 32 --first 9 --quiet
cat >tiny.json <<'JSON'
{"name": "tiny", "training": {"lr": 0.05}, "input": [16, 16, 3], "layers": [
  {"type": "conv2d", "name": "conv1", "filters": 4, "kernel": 3, "stride": 2, "pad": 1},
  {"type": "batch_norm", "name": "bn1"}, {"type": "relu", "name": "relu1"},
  {"type": "conv2d", "name": "depth1", "filters": 4, "kernel": 3, "pad": 1, "groups": "depthwise", "bias": false},
  {"type": "leaky_relu", "slope": 0.1}, {"type": "dropout", "rate": 0.2},
  {"type": "global_average_pool"}, {"type": "flatten"}, {"type": "dense", "name": "head", "units": "classes"}]}
JSON
"$tsugi" pretrain general --model tiny.json "${quick[@]}" -o server.safetensors
# known.safetensors is the same command line again, later: with prints of its photos, as stb_image decoded them.
"$tsugi" compact server.safetensors --as fp16 -o server-fp16.safetensors --quiet
"$tsugi" compact server.safetensors --as int8 -o server-int8.safetensors --quiet
"$tsugi" bundle server.safetensors --photos general --fraction 1 -o photos.tar --quiet
"$tsugi" bundle server.safetensors --photos general --fraction 0.5 --as features -o features.tar --quiet
# Every setting of the hand-over by the name it had then.
"$tsugi" resume photos.tar --personal personal/* "${quick[@]}" --average 0.5 --new-row-scale 0.9 --margin 0.25 --distill 0.3 \
  --distill-temperature 3 --keep trained -o device.safetensors
"$tsugi" resume features.tar --personal personal/* --epochs 1 --batch 8 --threads 1 --precision fp32 --tuning off --quiet \
  -o device-features.safetensors
"$tsugi" experiment handover --general general --personal personal/* --model tiny.json --people 3 --fractions 0.5 --seeds 1 \
  --methods default --epochs 2 --threads 1 --precision fp32 --quiet -o whole
mkdir report
mv whole/experiment.json whole/cells whole/metrics report/
rm -r whole
