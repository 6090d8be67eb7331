#!/usr/bin/env python3
# SPDX-License-Identifier: MPL-2.0
"""table.py [--json] ARCH=RAW...: turns what `tools/futura bench` collected into tables, or one JSON object.

A raw file has a heading "== NAME" before the output of each benchmark. The references are in reference.json. The ratio is ours
divided by the reference: below 1 is better.
"""

import json
import os
import re
import sys


def read(path):
    sections, lines = {}, None
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            line = line.rstrip("\n")
            if line.startswith("== "):
                lines = sections.setdefault(line[3:], [])
            elif lines is not None:
                lines.append(line)
    return sections


def find(pattern, lines):
    return [m for m in (re.match(pattern, line) for line in lines) if m]


def figures(sections):
    """All figures of one architecture: {bench: {name: value or [wall ms, busy M instructions]}}."""
    out = {}
    if "size" in sections:
        out["size"] = {m[1]: int(m[2]) for m in find(r"(lines|text|data|bss) (\d+)$", sections["size"])}
    if "boot" in sections:
        boot = out["boot"] = {}
        figures = {m[1]: int(m[2]) for m in find(r"(up|idle) (\d+) ns$", sections["boot"])}
        if len(figures) == 2:
            boot["instructions"] = figures["up"] - figures["idle"]
        for m in find(r"Mem: +(\d+) +(\d+)", sections["boot"]):
            boot["memory-kib"] = int(m[2])
        for m in find(r"wall (\d+)", sections.get("boot-wall", [])):
            boot["wall-ms"] = int(m[1])
    if "ipc" in sections:
        out["ipc"] = {m[1]: int(m[2]) for m in find(r".*\bbench (\w+) (\d+)\s*$", sections["ipc"]) if m[1] != "done"}
    if "ub" in sections:
        out["ub"] = {m[1]: float(m[2]) for m in find(r"UB (\S+) +min +([\d.]+)", sections["ub"])}
        out["ub-failed"] = {m[1]: m[2] for m in find(r"UB-ERR (\S+) (.*)", sections["ub"])}
    if "shell" in sections:
        out["shell"] = {m[1]: round((float(m[5]) - float(m[6]) - float(m[3]) + float(m[4])) * 1e9 / int(m[2]))
                        for m in find(r"SH (\S+) (\d+) ([\d.]+) ([\d.]+) ([\d.]+) ([\d.]+)$", sections["shell"])}
    if "fsb" in sections:
        fsb = out["fsb"] = {}
        line = r"FSB (\S+) +elapsed +(\d+) ns busy +(-?\d+) ns"
        for m in find(line, sections["fsb"]):
            fsb[m[1]] = [int(m[2]) / 1e6, None]
        for m in find(line, sections.get("fsb-busy", [])):
            if m[1] in fsb:
                fsb[m[1]][1] = int(m[3]) / 1e6
    return out


def number(value):
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 else f"{value:,.1f}"


def table(title, rows, columns):
    widths = [max(len(row[i]) for row in [columns] + rows) for i in range(len(columns))]
    print(f"\n{title}")
    for row in [columns] + rows:
        print("  " + "  ".join(cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths))))


def ratio(ours, theirs):
    return f"{ours / theirs:.2f}" if ours is not None and theirs else "-"


def main():
    arguments = sys.argv[1:]
    as_json = "--json" in arguments
    arguments = [a for a in arguments if a != "--json"]
    if not arguments or any("=" not in a for a in arguments):
        sys.exit(__doc__)
    results = {arch: figures(read(path)) for arch, path in (a.split("=", 1) for a in arguments)}
    if as_json:
        print(json.dumps(results, indent=1))
        return
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "reference.json"), encoding="utf-8") as file:
        reference = json.load(file)
    titles = {
        "size": "Kernel: lines of code, bytes",
        "boot": "Power-on to the first command (reference: Linux)",
        "ipc": "Kernel operations, instructions (reference: seL4)",
        "ub": "ub: instructions per operation (reference: Linux)",
        "shell": "shell: instructions (reference: Linux)",
    }
    for arch, result in results.items():
        for bench, title in titles.items():
            if bench in result:
                theirs = reference.get(bench, {}).get(arch, {})
                rows = [[name, number(value), number(theirs.get(name)), ratio(value, theirs.get(name))]
                        for name, value in result[bench].items()]
                rows += [[name, f"failed ({why})", number(theirs.get(name)), "-"]
                         for name, why in (result.get("ub-failed", {}) if bench == "ub" else {}).items()]
                rows += [[name, "not measured", number(value), "-"]
                         for name, value in theirs.items() if bench == "ipc" and name not in result[bench]]
                table(f"{title}, {arch}", rows, ["", "Futura", "reference", "ratio"])
        if "fsb" in result:
            theirs = reference["fsb"][arch]
            rows = []
            for name, (wall, busy) in result["fsb"].items():
                other = theirs.get(name, [None, None])
                rows.append([name, number(wall), number(other[0]), ratio(wall, other[0]),
                             number(busy), number(other[1]), ratio(busy, other[1])])
            table(f"fsb: ext4 on virtio-blk, {arch} (reference: Linux)", rows,
                  ["", "wall ms", "reference", "ratio", "busy M instr.", "reference", "ratio"])


if __name__ == "__main__":
    main()
