#!/usr/bin/env python3
# SPDX-License-Identifier: MPL-2.0
"""Where the instructions of the kernel benchmark go, function by function.

usage: trace.py --arch x86_64|arm64 [--build DIR] [--lines] [--markdown] [NAME...]

Runs build/ARCH/bench.cpio with QEMU writing down every instruction it executes, and counts what lies between
bench_begin() and bench_end() of each measurement. NAME: only these measurements (as `tools/futura bench ipc` names
them). --lines shows each instruction with its count per operation, in the order of addresses.
"""
import argparse, bisect, os, re, subprocess, sys, tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
QEMU = {"x86_64": ["qemu-system-x86_64", "-M", "q35", "-cpu", "max,erms=off"],
        "arm64": ["qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a72"]}
KERNEL = {"x86_64": "futura_kernel", "arm64": "futura_kernel.img"}
REPEAT = {"anonfault": 256, "fork1m": 20}  # operations in a measurement, as in kernel_bench.c; the others: 2000


class Symbols:
    def __init__(self, path):
        lines = subprocess.run(["llvm-nm-19", "-n", path], capture_output=True, text=True, check=True).stdout
        found = [(int(f[0], 16), f[2]) for f in map(str.split, lines.splitlines()) if len(f) == 3 and f[1] in "tTwW"]
        # Labels that the assembler made for its own use are no functions.
        found = [(a, n) for a, n in found if not n.startswith((".", "$"))]
        self.at, self.names = [a for a, _ in found], [n for _, n in found]
        self.value = {n: a for a, n in found}

    def name(self, pc):
        i = bisect.bisect_right(self.at, pc) - 1
        return self.names[i] if i >= 0 else "?"


def measure(arch, build, wanted):
    """Yields (name, {pc: executions}, [pc in the order first seen]) per measurement."""
    program = Symbols(os.path.join(build, "bin", "kernel_bench"))
    begin, end = program.value["bench_begin"], program.value["bench_end"]
    with tempfile.TemporaryDirectory(prefix="futura-trace.") as work:
        log = os.path.join(work, "log")
        os.mkfifo(log)
        console = os.path.join(work, "console")
        qemu = subprocess.Popen(
            ["timeout", "900"] + QEMU[arch] + ["-accel", "tcg", "-nodefaults", "-display", "none", "-m", "512M",
             "-kernel", os.path.join(build, KERNEL[arch]), "-initrd", os.path.join(build, "bench.cpio"),
             "-serial", "file:" + console, "-icount", "shift=0,sleep=off", "-singlestep", "-d", "exec,nochain", "-D", log],
            stdin=subprocess.DEVNULL)
        phases, counts = [], None
        begin_text, end_text = (b"%016x" % a for a in (begin, end))
        with open(log, "rb", buffering=1 << 20) as stream:
            for line in stream:
                pc = line[line.index(b"/") + 1:][:16] if line.startswith(b"Trace") else b""
                if counts is not None:
                    if pc == end_text:
                        phases.append(counts)
                        counts = None
                    elif pc:
                        counts[pc] = counts.get(pc, 0) + 1
                elif pc == begin_text:
                    counts = {}
        qemu.wait()
        with open(console, encoding="utf-8", errors="replace") as file:
            names = re.findall(r"bench (\S+) \d+\r?\n", file.read())
    if len(names) == 0 or len(phases) != len(names):  # "loop" prints nothing, "done" measures nothing
        sys.exit(f"{len(phases)} measurements, {len(names)} names: the benchmark failed")
    for name, counts in zip(["loop"] + names[:-1], phases):
        if not wanted or name in wanted:
            yield name, {int(pc, 16): n for pc, n in counts.items()}


def disassembly(path):
    text = subprocess.run(["llvm-objdump-19", "-d", "--no-show-raw-insn", path], capture_output=True, text=True,
                          check=True).stdout
    return {int(m[1], 16): m[2] for m in re.finditer(r"^\s*([0-9a-f]+):\s*(.*)$", text, re.M)}


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--arch", choices=QEMU, required=True)
    parser.add_argument("--build")
    parser.add_argument("--lines", action="store_true")
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    build = options.build or os.path.join(ROOT, "build", options.arch)
    kernel, program = (os.path.join(build, f) for f in ("futura_kernel", "bin/kernel_bench"))
    symbols = {True: Symbols(kernel), False: Symbols(program)}
    code = {**disassembly(kernel), **disassembly(program)} if options.lines else {}
    for name, counts in measure(options.arch, build, options.names):
        per = REPEAT.get(name, 2000)
        functions = {}
        for pc, n in counts.items():  # in the order in which they ran first
            who = "%s%s" % ("kernel " if pc >> 63 else "program ", symbols[bool(pc >> 63)].name(pc))
            functions[who] = functions.get(who, 0) + n
        total = sum(counts.values()) / per
        print(f"\n{'### ' if options.markdown else ''}{name}: {total:.1f} instructions, "
              f"{sum(n for pc, n in counts.items() if pc >> 63) / per:.1f} of them in the kernel\n")
        if options.markdown:
            print("| where | instructions |\n|---|---|")
        for who, n in functions.items():
            if n / per >= 0.5:
                print(f"| {who} | {n / per:.1f} |" if options.markdown else f"{n / per:10.1f}  {who}")
        for pc in sorted(counts) if options.lines else ():
            if counts[pc] / per >= 0.5:
                print(f"{counts[pc] / per:8.1f} {pc:016x} {symbols[bool(pc >> 63)].name(pc):28} {code.get(pc, '')}")


if __name__ == "__main__":
    main()
