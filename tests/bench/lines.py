#!/usr/bin/env python3
# SPDX-License-Identifier: MPL-2.0
"""lines.py DIR...: lines of C and assembly in the folders, without comments, blanks and the kernel's debug folder."""

import pathlib
import re
import sys


def count(text):
    text = re.sub(r"/\*.*?\*/", lambda m: "\n" * m.group().count("\n"), text, flags=re.S)
    text = re.sub(r"//[^\n]*", "", text)
    return sum(1 for line in text.split("\n") if line.strip())


total = 0
for folder in sys.argv[1:]:
    for path in pathlib.Path(folder).rglob("*"):
        if path.suffix in (".c", ".h", ".S") and "debug" not in path.relative_to(folder).parts:
            total += count(path.read_text(encoding="utf-8"))
print(total)
