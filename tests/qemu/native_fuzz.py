#!/usr/bin/env python3
# SPDX-License-Identifier: MPL-2.0
"""Boots native_fuzz.cpio (programs/native_fuzz.c) and checks that the kernel outlived it and gave everything back.

Usage: native_fuzz.py ARCH BUILD_DIR
"""
import pathlib
import re
import subprocess
import sys

arch, build = sys.argv[1], pathlib.Path(sys.argv[2])
if arch == 'x86_64':
    command = ['qemu-system-x86_64', '-machine', 'q35', '-cpu', 'max', '-device', 'isa-debug-exit,iobase=0xf4,iosize=4',
               '-kernel', build / 'futura_kernel']
else:
    command = ['qemu-system-aarch64', '-machine', 'virt', '-cpu', 'cortex-a53', '-semihosting', '-kernel',
               build / 'futura_kernel.img']
command += ['-accel', 'tcg', '-m', '128M', '-display', 'none', '-serial', 'stdio', '-monitor', 'none', '-no-reboot',
            '-initrd', build / 'native_fuzz.cpio']
run = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors='replace', timeout=600)
left = re.findall(r'native-fuzz child (\d+): (\d+) pages and (\d+) objects left', run.stdout)
done = re.search(r'native-fuzz done: (\d+) ended', run.stdout)
leaks = [child for child, pages, objects in left if pages != '0' or objects != '0']
if not done or 'panic' in run.stdout or leaks or len(left) < 40:
    print(run.stdout[-4000:])
    sys.exit(f'the kernel did not outlive it, or kept something (children {leaks})')
print(f'{len(left)} hostile tasks, {done.group(1)} ended by themselves; every Account empty')
