#!/usr/bin/env python3
# SPDX-License-Identifier: MPL-2.0
"""Turns what `futctl trace write` wrote (userland/futctl/trace.c) into a Chrome trace.

    trace.py RAW METHODS > trace.json

METHODS is the output of `fipcc decode` for every protocol. A call becomes a slice on its thread from the call to the
answer, and one on the server's thread from when it was received until it was answered or put aside; an arrow joins the
two. A call that the server answers later, after others, is an asynchronous slice there.
"""

import json
import sys

SWITCH, IDLE, CALL, SEND, RECEIVE, REPLY, ABORT, FAULT, INTERRUPT, TIMER, SIGNAL, EXIT = range(1, 13)
FAULTS = ["?", "no mapping", "access", "pager", "illegal instruction", "breakpoint", "step", "division", "FPU", "alignment",
          "protection"]
CPU_PID = 0  # the process that stands for the CPUs


class Reader:
    def __init__(self, data):
        self.data = data
        self.at = 0

    def number(self):
        value = shift = 0
        while True:
            if self.at >= len(self.data):
                sys.exit("trace: the recording is cut off")
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    def text(self, length):
        self.at += length
        return self.data[self.at - length: self.at].decode("utf-8", "replace")


def read(data):
    start = data.find(b"FUTRACE1")
    if start < 0:
        sys.exit("trace: no recording: " + data[-200:].decode("utf-8", "replace"))
    r = Reader(data)
    r.at = start + 8
    mult, shift, base_counter, base_ns = (r.number() for _ in range(4))
    names = {}
    while task := r.number():
        names[task] = r.text(r.number())
    events, lost = [], {}
    cpu = 0
    while r.at < len(data):
        lost[cpu], count = r.number(), r.number()
        counter = 0
        for _ in range(count):
            counter += r.number()
            ns = base_ns + ((counter - base_counter) * mult >> shift)
            events.append((ns, cpu, r.number(), r.number(), r.number(), r.number()))
        cpu += 1
    events.sort(key=lambda e: e[0])  # stable: within one CPU the order is as recorded
    return names, events, lost, cpu


def method_names(path):
    names = {}
    with open(path, encoding="utf-8") as f:
        for line in f:
            words = line.split()
            if len(words) >= 3:
                names[(int(words[0], 16), int(words[1]))] = words[2].split(".", 1)[-1]
    return names


def main():
    with open(sys.argv[1], "rb") as f:
        names, events, lost, cpus = read(f.read())
    methods = method_names(sys.argv[2])

    def method(tag):
        protocol, ordinal = tag >> 32, tag & 0xffff
        return methods.get((protocol, ordinal), f"{protocol:08x}.{ordinal}")

    task_of = {}
    for _, _, kind, thread, a, _ in events:
        if kind == SWITCH:
            task_of[thread] = a
    out = []

    def emit(phase, name, ns, thread, **more):
        event = {"ph": phase, "name": name, "ts": ns / 1000, "pid": task_of.get(thread, -1), "tid": thread}
        event.update(more)
        out.append(event)

    calls = {}     # thread -> (ns, tag, flow): a call that waits
    serving = {}   # server thread -> (ns, tag, caller): received last and not answered
    aside = {}     # caller -> (ns, tag, server): put aside, to be answered later
    running = {}   # CPU -> (ns, thread)
    flow = 0

    def put_aside(server, ns):
        if server in serving:
            since, tag, caller = serving.pop(server)
            emit("X", method(tag) + " (deferred)", since, server, dur=(ns - since) / 1000, cat="serve")
            aside[caller] = (since, tag, server)

    def run(cpu, ns, thread):
        if cpu in running:
            since, was = running.pop(cpu)
            label = names.get(task_of.get(was), f"task {task_of.get(was)}")
            out.append({"ph": "X", "name": label, "ts": since / 1000, "dur": (ns - since) / 1000, "pid": CPU_PID, "tid": cpu,
                        "args": {"thread": was}})
        if thread:
            running[cpu] = (ns, thread)

    for ns, cpu, kind, thread, a, b in events:
        if kind == SWITCH:
            run(cpu, ns, thread)
        elif kind == IDLE:
            run(cpu, ns, None)
        elif kind in (CALL, SEND):
            flow += 1
            calls[thread] = (ns, a, flow)
            emit("s", "call", ns, thread, cat="ipc", id=flow)
        elif kind == RECEIVE:
            put_aside(thread, ns)
            serving[thread] = (ns, a, b)
            if b in calls:
                emit("f", "call", ns, thread, cat="ipc", id=calls[b][2], bp="e")
        elif kind == REPLY:
            if thread in serving and serving[thread][2] == b:
                since, tag, _ = serving.pop(thread)
                emit("X", method(tag), since, thread, dur=(ns - since) / 1000, cat="serve", args={"for thread": b})
            elif b in aside:
                since, tag, server = aside.pop(b)
                emit("b", method(tag), since, server, cat="deferred", id=b)
                emit("e", method(tag), ns, server, cat="deferred", id=b)
            if b in calls:
                since, tag, _ = calls.pop(b)
                emit("X", "> " + method(tag), since, b, dur=(ns - since) / 1000, cat="call", args={"by thread": thread})
        elif kind == ABORT:
            if thread in calls:
                since, tag, _ = calls.pop(thread)
                status = a - (1 << 64) if a >> 63 else a
                emit("X", f"> {method(tag)}: status {status}", since, thread, dur=(ns - since) / 1000, cat="call")
        elif kind == FAULT:
            code = a & 0xff
            how = "write" if a & 0x100 else "fetch" if a & 0x200 else "read"
            emit("i", f"fault: {FAULTS[code] if code < len(FAULTS) else code}", ns, thread, s="t",
                 args={"address": hex(b), "access": how})
        elif kind in (INTERRUPT, TIMER):
            name = f"interrupt {a}" if kind == INTERRUPT else "timer"
            out.append({"ph": "i", "name": name, "ts": ns / 1000, "pid": CPU_PID, "tid": cpu, "s": "t"})
        elif kind == SIGNAL:
            emit("i", f"signal event {a}", ns, thread, s="t", args={"bits": hex(b)})
    end = events[-1][0] if events else 0
    for cpu in list(running):
        run(cpu, end, None)

    out.append({"ph": "M", "name": "process_name", "pid": CPU_PID, "args": {"name": "CPUs"}})
    for cpu in range(cpus):
        out.append({"ph": "M", "name": "thread_name", "pid": CPU_PID, "tid": cpu, "args": {"name": f"CPU {cpu}"}})
        if lost[cpu]:
            print(f"trace: CPU {cpu}: {lost[cpu]} events were overwritten before they were read", file=sys.stderr)
            out.append({"ph": "i", "name": f"{lost[cpu]} events lost before this", "ts": events[0][0] / 1000 if events else 0,
                        "pid": CPU_PID, "tid": cpu, "s": "g"})
    for task in sorted(set(task_of.values())):
        out.append({"ph": "M", "name": "process_name", "pid": task, "args": {"name": names.get(task, f"program, task {task}")}})
    print(f"trace: {len(events)} events, {sum(e['ph'] == 'X' and e.get('cat') == 'call' for e in out)} calls, "
          f"{len(set(task_of.values()))} tasks", file=sys.stderr)
    json.dump({"traceEvents": out, "displayTimeUnit": "ns"}, sys.stdout)


main()
