#!/usr/bin/env python3
# SPDX-License-Identifier: MPL-2.0
#
# golden.py FIPCC FILE [--update]: runs the cases of a golden file. A case is
#
#   === what it shows
#   source (for a comparison: the old one, a line "--- now", the new one)
#   --- fipcc says
#   the expected output
#
# Diagnostics of one source come from `fipcc json`; two sources are locked and checked. --update writes what the
# compiler says now into the file, for a person to read before it is committed.
import os, subprocess, sys, tempfile

fipcc, path = sys.argv[1:3]
update = len(sys.argv) > 3
text = open(path).read()
head, *cases = text.split("=== ")
failed, written = 0, [head]
for case in cases:
    title, rest = case.split("\n", 1)
    source, expected = rest.split("--- fipcc says\n")
    with tempfile.TemporaryDirectory() as folder:
        def run(*args):
            done = subprocess.run([os.path.abspath(fipcc), *args], cwd=folder, capture_output=True, text=True, errors="replace", timeout=20,
                                  env={"ASAN_OPTIONS": "detect_leaks=0"})
            return done
        def write(name, content):
            with open(os.path.join(folder, name), "w") as file:
                file.write(content)
        write("other.fipc", "library futura.other;\nconst LIMIT u32 = 7;\nerror Failure : u8 { bad = 1; }\nstruct Point { x u32; y u32; }\n"
              "open protocol Thing { facet look = { Look }; 1 Look() -> (); }\n")
        if "--- now\n" in source:
            old, new = source.split("--- now\n")
            write("t.fipc", old)
            first = run("lock", "t.fipc")
            write("t.fipc", new)
            done = run("check", "t.fipc")
            output = first.stdout + first.stderr + done.stdout + done.stderr
            wanted_status = 1 if "breaks" in output else 0
        else:
            write("t.fipc", source)
            done = run("json", "t.fipc")
            output = done.stderr if done.stderr else "nothing\n"
            wanted_status = 1 if done.stderr else 0
            if done.returncode == 2:  # fatal
                wanted_status = 2
    written.append(f"{title}\n{source}--- fipcc says\n{output}")
    if (output != expected or done.returncode != wanted_status) and not update:
        print(f"FAILED: {title} (status {done.returncode})\nexpected:\n{expected}got:\n{output}")
        failed += 1
if update:
    open(path, "w").write("=== ".join(written))
print(f"{len(cases)} cases, {failed} failed")
sys.exit(failed != 0)
