#!/usr/bin/env python3
# SPDX-License-Identifier: MPL-2.0
"""Boots hostile_tasks.cpio (tests/hostile/hostile_tasks.c): each thing that a task must not be able to do, as a named test.

Usage: hostile_tasks.py ARCH BUILD_DIR [CPUS]
"""
import pathlib
import re
import subprocess
import sys

arch, build = sys.argv[1], pathlib.Path(sys.argv[2])
cpus = sys.argv[3] if len(sys.argv) > 3 else '1'
if arch == 'x86_64':
    command = ['qemu-system-x86_64', '-machine', 'q35', '-cpu', 'max', '-device', 'isa-debug-exit,iobase=0xf4,iosize=4',
               '-kernel', build / 'futura_kernel']
else:
    command = ['qemu-system-aarch64', '-machine', 'virt', '-cpu', 'cortex-a53', '-semihosting', '-kernel',
               build / 'futura_kernel.img']
command += ['-accel', 'tcg', '-m', '128M', '-smp', cpus, '-display', 'none', '-serial', 'stdio', '-monitor', 'none', '-no-reboot',
            '-initrd', build / 'hostile_tasks.cpio']
try:
    run = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors='replace', timeout=600)
    output = run.stdout
except subprocess.TimeoutExpired as late:
    output = (late.stdout or b'').decode(errors='replace') + '\nit did not end'
results = re.findall(r'hostile: (\w+) (ok|FAILED)', output)
done = re.search(r'hostile: done, 0 of (\d+) failed', output)
for name, result in results:
    print(f'{result:6} {name}')
if not done or int(done.group(1)) != len(results) or re.search(r'panic', output, re.I):
    print(output[-4000:])
    sys.exit('a task can do what it must not, or the machine did not outlive the attempt')
print(f'{len(results)} attacks on {arch} with {cpus} CPU(s), none succeeded')
