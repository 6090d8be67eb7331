#!/usr/bin/env python3
# SPDX-License-Identifier: MPL-2.0
#
# fuzz_fipcc.py FIPCC INCLUDE CORPUS...: feeds the compiler protocols with tokens dropped, doubled, swapped and
# replaced. It must end by itself, with a message or without, and never by a signal or a sanitizer's report;
# where it accepts the input, the C that it writes must compile without a warning. The seed is fixed.
import os, random, re, subprocess, sys, tempfile

fipcc, include, *corpus = sys.argv[1:]
RUNS, COMPILED = 400, 12
random.seed(20261124)
texts = [open(path).read() for path in corpus]
tokens = sorted({t for text in texts for t in re.findall(r"\w+|[^\w\s]", text)}) + ["0", "-1", "18446744073709551615", "65535", "\x00", "é", "/*", "///"]
failed = compiled = accepted = 0
env = {"ASAN_OPTIONS": "detect_leaks=0", "PATH": os.environ["PATH"]}

def mutate(text):
    parts = re.findall(r"\w+|\s+|//[^\n]*\n|[^\w\s]", text)
    for _ in range(random.choice([1, 1, 2, 5])):
        i = random.randrange(len(parts))
        how = random.randrange(6)
        if how == 0: del parts[i]
        elif how == 1: parts.insert(i, parts[i])
        elif how == 2: parts[i] = random.choice(tokens)
        elif how == 3: parts.insert(i, random.choice(tokens))
        elif how == 4: parts[i:i] = parts[max(0, i - random.randrange(60)):i]
        else: parts = parts[:i] + ["\n"]
        if not parts: parts = ["x"]
    return "".join(parts)

with tempfile.TemporaryDirectory() as folder:
    for path, text in zip(corpus, texts):
        open(os.path.join(folder, os.path.basename(path)), "w").write(text)
    for run in range(RUNS):
        text = mutate(random.choice(texts))
        source = os.path.join(folder, "fuzzed.fipc")
        with open(source, "wb") as file:
            file.write(text.encode("utf-8", "surrogateescape"))
        out = os.path.join(folder, "out")
        try:
            done = subprocess.run([fipcc, "gen", "--out", out, source], capture_output=True, timeout=20, env=env)
        except subprocess.TimeoutExpired:
            print(f"run {run}: does not end\n{text}")
            failed += 1
            continue
        if done.returncode not in (0, 1, 2) or b"Sanitizer" in done.stderr or b"runtime error" in done.stderr:
            print(f"run {run}: status {done.returncode}\n{done.stderr.decode(errors='replace')[:2000]}\n--- input\n{text}")
            failed += 1
        if done.returncode in (1, 2) and not done.stderr:
            print(f"run {run}: refused without a word\n{text}")
            failed += 1
        if done.returncode != 0:
            continue
        accepted += 1
        name = re.search(r"library\s+[\w.]*?(\w+)\s*;", text)
        if compiled >= COMPILED or name is None:
            continue
        used = [p for p in corpus if os.path.basename(p)[:-5] != name.group(1)]
        subprocess.run([fipcc, "gen", "--out", out, *used], capture_output=True, env=env)
        subprocess.run([fipcc, "gen", "--out", out, source], capture_output=True, env=env)
        for side in ("client", "server"):
            done = subprocess.run(["clang-19", "-std=c23", "-fsyntax-only", "-DFUTURA_SIMULATED", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-I", out, "-I", include,
                                   os.path.join(out, f"{name.group(1)}_{side}.c")], capture_output=True)
            if done.returncode != 0:
                print(f"run {run}: accepted, but the C is wrong\n{done.stderr.decode(errors='replace')[:1500]}\n--- input\n{text}")
                failed += 1
        compiled += 1
print(f"{RUNS} inputs, {accepted} accepted, {compiled} compiled, {failed} failed")
sys.exit(failed != 0)
