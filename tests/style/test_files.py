#!/usr/bin/env python3
"""Every source file opens with what it is for, and every file that a README, a design page or a comment sends its reader
to is there."""

import os
import pathlib
import re
import unittest

ROOT = pathlib.Path(os.environ.get("TSUGI_SOURCE_DIR", pathlib.Path(__file__).resolve().parent.parent.parent))
FOLDERS = ("kernels", "engine", "tools", "bench", "tests", "third_party")
COMMENTED = {".cpp", ".h", ".cu", ".c", ".inc", ".py", ".sh", ".cmake"}
# `engine/core/arena.h`, kernels/api/rows.h, ... in text; a wildcard or a placeholder names no file.
# In a page also `arena.h` and `train/run.h`, from its own folder on.
SOURCE = re.compile(r"`([\w./-]*\w\.(?:h|cpp|cu|py|cmake|sh))`")
NAMED = re.compile(
    r"(?<![\w./-])((?:kernels|engine|tools|bench|tests|third_party)/[\w./*{}<>-]*\w\.(?:h|cpp|cu|py|inc|json|md|cmake|txt|sh|c))(?![\w/])"
)


def files():
    for top in FOLDERS:
        for path in sorted((ROOT / top).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path


def is_placeholder(name):
    return re.search(r"[*{}<>]", name) or re.search(r"\b(NAME|FILE|FOLDER|RELEASE)\b", name)


def said_in(path):
    """What a reader is told: all of a page, and of a program its comments and docstrings."""
    text = text_of(path)
    if path.suffix == ".md":
        return text
    comments = r'"""[\s\S]*?"""|#.*' if path.suffix in (".py", ".cmake", ".sh", "") else r"//.*|/\*[\s\S]*?\*/"
    return "\n".join(re.findall(comments, text))


def text_of(path):
    return path.read_text(encoding="utf-8", errors="replace")


class Files(unittest.TestCase):
    def test_every_source_opens_with_what_it_is_for(self):
        silent = []
        for path in files():
            if path.suffix not in COMMENTED and not (path.suffix == "" and text_of(path).startswith("#!")):
                continue
            first = [line for line in text_of(path).splitlines() if line.strip() and not line.startswith("#!")][:1]
            header = path.with_suffix(".h")  # opens for both, and its reader is sent there by the first line
            if first == [f'#include "{header.relative_to(ROOT)}"'] and header.exists():
                continue
            opens = first and first[0].startswith(("//", "/*", "#", '"""'))
            if not opens or first[0].startswith(("#pragma", "#include")):
                silent.append(str(path.relative_to(ROOT)))
        self.assertFalse(silent, "\n".join(silent))

    def test_a_file_that_is_named_is_there(self):
        gone, known = [], [f"/{path.relative_to(ROOT)}" for path in files()]
        for path in [ROOT / "README.md", *files()]:
            if path.suffix not in COMMENTED | {".md", ""} or "data" in path.parts:
                continue
            for name in NAMED.findall(said_in(path)):
                if not is_placeholder(name) and not (ROOT / name).exists():
                    gone.append(f"{path.relative_to(ROOT)} names {name}")
            for name in SOURCE.findall(text_of(path)) if path.suffix == ".md" else []:
                if not any(there.endswith("/" + name) for there in known):
                    gone.append(f"{path.relative_to(ROOT)} names {name}")
        self.assertFalse(gone, "\n".join(gone))


if __name__ == "__main__":
    unittest.main(verbosity=2)
