#!/usr/bin/env python3
# SPDX-License-Identifier: MPL-2.0
"""Boots native_fuzz.cpio (programs/native_fuzz.c) and checks that the kernel outlived it and gave everything back.

Usage: native_fuzz.py ARCH BUILD_DIR [--smp N] [--calls N] [--seed N] [--timeout SECONDS]

The long run: native_fuzz.py x86_64 build/x86_64 --smp 4 --calls 10000000 --timeout 7200
"""
import argparse
import pathlib
import re
import subprocess
import sys
import time

parser = argparse.ArgumentParser(usage=__doc__)
parser.add_argument('arch')
parser.add_argument('build', type=pathlib.Path)
parser.add_argument('--smp', type=int, default=1)
parser.add_argument('--calls', type=int, default=160000)
parser.add_argument('--seed', type=int, default=1)
parser.add_argument('--timeout', type=int, default=800)
options = parser.parse_args()
STEPS = 4000
if options.arch == 'x86_64':
    command = ['qemu-system-x86_64', '-machine', 'q35', '-cpu', 'max', '-device', 'isa-debug-exit,iobase=0xf4,iosize=4',
               '-kernel', options.build / 'futura_kernel']
else:
    command = ['qemu-system-aarch64', '-machine', 'virt', '-cpu', 'cortex-a53', '-semihosting', '-kernel',
               options.build / 'futura_kernel.img']
command += ['-accel', 'tcg', '-m', '128M', '-smp', str(options.smp), '-display', 'none', '-serial', 'stdio', '-monitor', 'none',
            '-no-reboot', '-initrd', options.build / 'native_fuzz.cpio',
            '-append', f'calls={options.calls} steps={STEPS} seed={options.seed}']
began = time.monotonic()
try:
    output = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors='replace',
                            timeout=options.timeout).stdout
except subprocess.TimeoutExpired as late:
    output = (late.stdout or b'').decode(errors='replace') + '\nit did not end'
left = re.findall(r'native-fuzz child (\d+): (\d+) pages and (\d+) objects left', output)
done = re.search(r'native-fuzz done: (\d+) ended, (\d+) were stopped, (\d+) calls, (\d+) CPUs', output)
leaks = [child for child, pages, objects in left if pages != '0' or objects != '0']
if not done or re.search(r'panic', output, re.I) or leaks or int(done.group(3)) < options.calls or int(done.group(4)) != options.smp:
    print(output[-4000:])
    sys.exit(f'the kernel did not outlive it, or kept something (children {leaks})')
print(f'{len(left)} hostile tasks, {done.group(3)} calls with {options.smp} CPU(s), {done.group(1)} ended by themselves; '
      f'every Account empty ({time.monotonic() - began:.0f} s)')
