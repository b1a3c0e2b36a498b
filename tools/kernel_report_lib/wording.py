"""How a row's figures are written, in the tables of kernels/MACHINE_CODE.md and in reports alike."""

import re

_ORDER = "FFMA HFMA2 HMMA LDSM LDS STS LDG STG LDL STL float integer BAR branch wait".split()


def printable(text):
    """Text of a file or an argument as one line for a terminal, a page or a table: what these would obey, hide or reorder by is written out
    (engine/core/text.h does the same for the command line)."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape", "surrogatepass").decode()
        for letter in str(text)
    )


def natural(name):
    """A key to sort by: numbers within names by their value."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


def size(count):
    return f"{count / 1024:.1f}".rstrip("0").rstrip(".") + " KB" if count >= 1024 else str(count)


def instructions(hot):
    """ "1024 FFMA, 64 LDS.128, 2 BAR": what a hot loop is made of."""

    def position(kind):
        stem = kind.split(".")[0]
        return (_ORDER.index(stem) if stem in _ORDER else len(_ORDER), kind)

    text = ", ".join(f"{hot['counts'][kind]} {kind}" for kind in sorted(hot["counts"], key=position))
    if hot["whole"]:
        text += " (unrolled: the whole kernel)"
    return text + (f" (and {hot['nested']} inner loops)" if hot["nested"] else "")
