#!/usr/bin/env python3
# SPDX-License-Identifier: MPL-2.0
"""Records a command with `tools/futura trace` and follows one request in the picture.

    trace_test.py ARCH WORK

A program's read must show as a call on its thread, as the service of that call on fsd's, inside it in time, with an
arrow between them; every slice must end after it begins; and what a full ring lost must be said.
"""

import json
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ARCH, WORK = sys.argv[1:]


def trace(command):
    os.makedirs(WORK, exist_ok=True)
    out = os.path.join(WORK, f"trace-{ARCH}.json")
    run = subprocess.run([os.path.join(ROOT, "tools", "futura"), "trace", "--arch", ARCH, "--no-build", "--no-disk", "-o", out,
                          "-c", command], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=600)
    if run.returncode:
        sys.exit(f"trace failed with status {run.returncode}:\n{run.stderr}")
    with open(out, encoding="utf-8") as f:
        return json.load(f)["traceEvents"], run.stderr


def expect(condition, what):
    if not condition:
        sys.exit(f"not so: {what}")


events, said = trace("dd if=/etc/profile of=/dev/null bs=1 count=3")
names = {e["pid"]: e["args"]["name"] for e in events if e["ph"] == "M" and e["name"] == "process_name"}
fsd = [pid for pid, name in names.items() if name == "fsd"]
expect(len(fsd) == 1, f"fsd is one of the tasks {sorted(names.values())}")
slices = [e for e in events if e["ph"] == "X"]
expect(all(e["dur"] >= 0 for e in slices), "every slice ends after it begins")
served = [e for e in slices if e["pid"] == fsd[0] and e["cat"] == "serve" and e["name"].startswith("io.File.Read")]
expect(len(served) >= 3, f"fsd served at least three reads: {[e['name'] for e in slices if e['pid'] == fsd[0]]}")
for s in served:
    calls = [c for c in slices if c["name"] == "> " + s["name"] and c["tid"] == s["args"]["for thread"]
             and c["ts"] < s["ts"] + 0.01 and c["ts"] + c["dur"] > s["ts"] + s["dur"] - 0.01]
    expect(len(calls) == 1, f"one call encloses {s}: {calls}")
    arrows = [e for e in events if e["ph"] == "f" and e["tid"] == s["tid"] and e["ts"] == s["ts"]]
    expect(len(arrows) == 1, f"one arrow leads to {s}")
    begin = [e for e in events if e["ph"] == "s" and e["id"] == arrows[0]["id"]]
    expect(len(begin) == 1 and begin[0]["tid"] == calls[0]["tid"] and begin[0]["pid"] not in fsd, "it comes from the caller")
expect("overwritten" not in said, f"nothing was lost in a short trace: {said}")

events, said = trace("dd if=/dev/zero of=/tmp/x bs=1 count=15000")
expect("events were overwritten before they were read" in said, f"a long trace says what was lost: {said}")
expect(any("events lost before this" in e["name"] for e in events), "and shows it in the picture")
