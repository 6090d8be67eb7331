#!/usr/bin/env python3
# SPDX-License-Identifier: MPL-2.0
"""Boots smp_stress.cpio (smp_stress.c) for a while.

    smp_stress.py --arch x86_64 --cpus 4 --seconds 600 --seed 7
"""
import argparse
import pathlib
import subprocess
import sys
import time

parser = argparse.ArgumentParser()
parser.add_argument("--arch", default="x86_64")
parser.add_argument("--cpus", type=int, default=4)
parser.add_argument("--seconds", type=int, default=10)
parser.add_argument("--seed", type=int, default=1)
parser.add_argument("--pairs", action="store_true", help="measure independent IPC pairs instead")
parser.add_argument("--gic", default="2", help="arm64: the version of the interrupt controller")
options = parser.parse_args()
build = pathlib.Path(__file__).resolve().parents[2] / "build" / options.arch
if options.arch == "x86_64":
    command = ["qemu-system-x86_64", "-machine", "q35", "-cpu", "max", "-device", "isa-debug-exit,iobase=0xf4,iosize=4",
               "-kernel", build / "futura_kernel"]
else:
    command = ["qemu-system-aarch64", "-machine", f"virt,gic-version={options.gic}", "-cpu", "cortex-a72", "-semihosting",
               "-kernel", build / "futura_kernel.img"]
words = f"semihosting verbose stress={options.seconds} seed={options.seed}" + (" pairs=1" if options.pairs else "")
command += ["-accel", "tcg,thread=multi", "-smp", str(options.cpus), "-m", "256M", "-display", "none", "-serial", "stdio",
            "-monitor", "none", "-no-reboot", "-initrd", build / "smp_stress.cpio", "-append", words]
start = time.monotonic()
try:
    run = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
                         timeout=120 + 4 * options.seconds)
    output = run.stdout
except subprocess.TimeoutExpired as expired:
    output = (expired.stdout or b"").decode("utf-8", "replace") + "\nno end"
lines = [line.strip() for line in output.splitlines() if "smp-stress" in line]
if "smp-stress done" not in output or "panic" in output or f"on {options.cpus} CPUs" not in output:
    sys.exit(f"seed {options.seed}, {options.cpus} CPUs, {options.arch}:\n{output[-6000:]}")
print("\n".join(lines) + f"\n{time.monotonic() - start:.0f} s")
