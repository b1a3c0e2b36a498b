"""Which kernels no case launched, and which instructions of the launched ones no warp ever ran."""


class Kernel:
    """Lines of a kernel's PTX: all of its instructions', those that some warp ran, and those in hot loops."""

    def __init__(self):
        self.launches, self.lines, self.ran, self.hot = 0, set(), set(), set()

    def add(self, launches, ran, idle, loops):
        self.launches += int(launches)
        self.ran |= set(map(int, ran.split()))
        self.lines |= self.ran | set(map(int, idle.split()))
        for loop in loops.split():
            first, last = map(int, loop.split("-"))
            self.hot |= {line for line in self.lines if first <= line <= last}


def read(folder):
    """{name: Kernel}, of all processes together."""
    kernels = {}
    for path in sorted(folder.glob("*.txt")):
        for line in path.read_text().splitlines():
            name, *columns = line.split("\t")
            kernels.setdefault(name, Kernel()).add(*columns)
    return kernels


def share(part, whole):
    return f"{part} of {whole} ({100.0 * part / max(whole, 1):.1f} %)"


def report(root, folders):
    """Prints a line an architecture, and the kernels that no case launched."""
    for arch in folders:
        kernels = read(root / "build/ptx" / f"coverage_{arch}")
        launched = [kernel for kernel in kernels.values() if kernel.launches]
        print(
            f"ptx: sm_{arch}: {len(launched)} of {len(kernels)} kernels launched; of their instructions ran "
            f"{share(sum(len(k.ran) for k in launched), sum(len(k.lines) for k in launched))}, of those in hot loops "
            f"{share(sum(len(k.ran & k.hot) for k in launched), sum(len(k.hot) for k in launched))}"
        )
        for name in sorted(name for name, kernel in kernels.items() if not kernel.launches):
            if not (arch == "53" and "mma" in name):  # Maxwell has no matrix units: an empty kernel
                print(f"ptx: sm_{arch}: no case launches {name}")
