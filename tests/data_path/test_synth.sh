#!/usr/bin/env bash
# tsugi synth: the same seed draws the same files, and a folder that holds something is never touched.
set -u
tsugi=${TSUGI_BINARY:?path of the tsugi binary}
[ -x "$tsugi" ] || { echo "skipped: $tsugi is not built"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "FAILED: $1" >&2; exit 1; }

draw() { "$tsugi" synth --quiet --size 64 "$@"; }
names() { (cd "$1" && ls); }

draw "$work/a" --people 3 --photos 4 --seed 5 || fail "synth does not run"
[ "$(find "$work/a" -name '*_000[1-4].jpg' | wc -l)" = 12 ] || fail "not 3 x 4 photos"
mkdir "$work/b"
OMP_NUM_THREADS=1 draw "$work/b" --people 3 --photos 4 --seed 5 || fail "an empty folder is refused"
diff -r "$work/a" "$work/b" || fail "the same seed drew other photos"
draw "$work/c" --people 3 --photos 4 --seed 6 || fail "synth does not run"
cmp -s "$(find "$work/a" -name '*.jpg' | sort | head -1)" "$(find "$work/c" -name '*.jpg' | sort | head -1)" &&
  fail "another seed drew the same photo"

# Numbers of people are people: the third of three is the first of those from 3 on.
draw "$work/d" --people 2 --photos 4 --seed 5 --first 3 || fail "synth does not run"
both=$(comm -12 <(names "$work/a") <(names "$work/d"))
[ "$(wc -w <<<"$both")" = 1 ] || fail "people 1-3 and 3-4 should share one"
diff -r "$work/a/$both" "$work/d/$both" || fail "a person looks different in another folder"

before=$(ls -lR "$work/a")
draw "$work/a" --people 1 --photos 1 2>"$work/message" && fail "a full folder is accepted"
grep -q "not an empty folder" "$work/message" || fail "the message does not say that the folder is not empty"
[ "$before" = "$(ls -lR "$work/a")" ] || fail "a full folder was changed"

# Killed half-way, it leaves no folder that looks whole; the next run draws it.
"$tsugi" synth --quiet --size 256 "$work/e" --people 50 --photos 50 --seed 5 &
until compgen -G "$work/e*/*/*.jpg" >/dev/null; do sleep 0.01; done
kill -KILL $!
wait $! 2>/dev/null
[ ! -e "$work/e" ] || fail "a killed synth left a folder of some people"
draw "$work/e" --people 1 --photos 1 || fail "synth does not run after one that was killed"

touch "$work/file"
draw "$work/file/people" --people 1 --photos 1 2>"$work/message" && fail "a file as parent folder is accepted"
grep -q "$work/file/people" "$work/message" || fail "the message does not name the folder"
echo "synth: all as it must be"
