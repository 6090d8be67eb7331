#!/usr/bin/env python3
# SPDX-License-Identifier: MPL-2.0
"""Drives a booted Futura through its serial line, as a person at a terminal would.

    drive.py --arch x86_64 [--smp N] [--work DIR] CASE...

A case is a text file of steps, one a line:

    # text                  a comment
    disk TYPE SIZE          a disk of its own for this case (else: a shared one whose changes are forgotten)
    second TYPE SIZE        a second disk (/dev/vdb)
    tree CMD                CMD fills $TREE on this machine; both disks start with its contents
    program NAME [glibc]    programs/NAME.c, compiled for Linux on the architecture, becomes /t/NAME on the disks;
                            with `glibc` by the distribution's gcc and with its C library
    native NAME             the build's program NAME (tests/hostile) becomes /t/NAME on the disks
    boot [OPTION]...        boots with more options for `tools/futura run` (implied before the first step that needs it)
    timeout SECONDS         for every step that follows
    $ CMD                   types CMD at the prompt; what is printed until the next prompt must be the lines below it:
    > LINE                      exactly this line
    ~ REGEX                     a line that matches entirely
    *                           any number of lines
    send "TEXT"             types TEXT (with escapes: \\x03 is ^C, \\r the return key; %(NAME)s: what a `wait` found; %%)
    wait "REGEX"            waits until what was printed since the last match has it; (?P<NAME>...) is kept for
                            `send` and for later ones
    prompt                  waits for the prompt and forgets what came before it
    sleep SECONDS
    poweroff                types `poweroff`; the machine must go off by itself
    host CMD                a command on this machine ($DISK, $SECOND: the disk images), followed by > ~ * as above
                            $PORT0 to $PORT3, here and in boot, are port numbers that nobody uses now
    run CMD                 `tools/futura run -c CMD` on the disk; its stdout is compared, as above
    status N                the exit status that the `run` before it must have had (0 unless this is said)

The prompt is set at the beginning to a text that the line which sets it does not contain, so that an echoed command
cannot pass for a prompt; and an expected line cannot be found in an echo, because what is compared begins after the
line on which the command was typed.
"""

import argparse
import ast
import difflib
import os
import pty
import random
import re
import select
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import fcntl
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FUTURA = os.path.join(ROOT, "tools", "futura")
SLOWNESS = float(os.environ.get("FUTURA_TEST_SLOWNESS", "1"))
COLUMNS = 1000  # so wide that the shell's line editor never wraps a typed command


class Failure(Exception):
    """A step failed, and the steps after it make no sense."""


class Difference(Failure):
    """The output was not what was expected; the next step can still be tried."""


class Console:
    """A program on a pseudo-terminal, and everything it has printed."""

    def __init__(self, argv, log):
        self.log = log
        self.text = ""      # printed and not yet matched
        self.raw = b""      # bytes of an incomplete UTF-8 sequence
        self.ended = None
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ["TERM"] = "vt100"
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it, and children would inherit that
            os.execvp(argv[0], argv)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))

    def pump(self, seconds):
        """Reads what there is, waiting for at most `seconds` for something."""
        ready, _, _ = select.select([self.fd], [], [], max(0, seconds))
        if not ready:
            return
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            data = b""
        if not data:
            if self.ended is None:
                self.ended = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
            return
        self.log.write(data)
        self.log.flush()
        self.text += data.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r\r", "\r")

    def type(self, text):
        os.write(self.fd, text.encode())

    def wait(self, pattern, seconds):
        """Waits for the pattern; returns what came before it and the match, and consumes both."""
        end = time.monotonic() + seconds * SLOWNESS
        compiled = re.compile(pattern, re.M)
        while True:
            # A line end may be split between two reads; a match that needs the rest will come with it.
            # "Where is the cursor?", which the shell's line editor asks, is not output; a plain terminal does not answer.
            self.text = self.text.replace("\r\n", "\n").replace("\x1b[6n", "")
            match = compiled.search(self.text)
            if match:
                before = self.text[: match.start()]
                self.text = self.text[match.end():]
                return before, match
            if self.ended is not None:
                raise Failure(f"the machine went off (status {self.ended}) while waiting for /{pattern}/")
            left = end - time.monotonic()
            if left <= 0:
                raise Failure(f"no /{pattern}/ within {seconds} s; got:\n{indent(self.text[-2000:])}")
            self.pump(min(left, 1))

    def wait_end(self, seconds):
        end = time.monotonic() + seconds * SLOWNESS
        while self.ended is None:
            left = end - time.monotonic()
            if left <= 0:
                raise Failure(f"the machine did not go off within {seconds} s; got:\n{indent(self.text[-2000:])}")
            self.pump(min(left, 1))
        return self.ended

    def kill(self):
        if self.ended is None:
            try:
                os.killpg(self.pid, signal.SIGTERM)  # the pty made it the leader of its own group
            except ProcessLookupError:
                pass
            end = time.monotonic() + 5
            while self.ended is None and time.monotonic() < end:
                self.pump(0.2)
                if self.ended is None:
                    pid, status = os.waitpid(self.pid, os.WNOHANG)
                    if pid:
                        self.ended = os.waitstatus_to_exitcode(status)
            if self.ended is None:
                os.killpg(self.pid, signal.SIGKILL)
        os.close(self.fd)


def free_ports(count):
    """Ports of 127.0.0.1 that are free for TCP and UDP. Another test may take one before we do; that is rare."""
    held, ports = [], []
    while len(ports) < count:
        tcp, udp = socket.socket(socket.AF_INET, socket.SOCK_STREAM), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        held += [tcp, udp]
        tcp.bind(("127.0.0.1", 0))
        try:
            udp.bind(tcp.getsockname())
            ports.append(tcp.getsockname()[1])
        except OSError:
            pass
    for s in held:
        s.close()
    return ports


def indent(text):
    return "\n".join("    " + line for line in text.split("\n"))


def compare(expected, text):
    """`expected` is a list of (kind, text) with kind '>', '~' or '*'."""
    lines = text.split("\n")
    if lines and lines[-1] == "":
        lines.pop()
    parts = []
    for kind, value in expected:
        if kind == ">":
            parts.append(re.escape(value) + "\n")
        elif kind == "~":
            parts.append("(?:" + value + ")\n")
        else:
            parts.append("(?:[^\n]*\n)*?")
    joined = "".join(line + "\n" for line in lines)
    if re.fullmatch("".join(parts), joined):
        return
    wanted = [("  " if kind == ">" else kind + " ") + value for kind, value in expected]
    got = ["  " + line for line in lines]
    raise Difference("the output differs (-expected +got):\n" + indent("\n".join(
        difflib.unified_diff(wanted, got, "expected", "got", lineterm="", n=100))))


def parse(path):
    """The steps of a case: (line number, word, argument, expected lines)."""
    steps = []
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            line = line.rstrip("\n")
            if not line.strip() or line.startswith("#"):
                continue
            if line[0] in ">~*" and (len(line) == 1 or line[1] == " "):
                if not steps:
                    sys.exit(f"{path}:{number}: expected output without a command before it")
                steps[-1][3].append((line[0], line[2:]))
                continue
            word, _, argument = line.partition(" ")
            steps.append((number, word, argument, []))
    return steps


class Case:
    def __init__(self, path, arch, work, smp=None):
        self.path, self.arch, self.work, self.smp = path, arch, work, smp
        self.name = os.path.splitext(os.path.basename(path))[0] + (f".smp{smp}" if smp else "")
        self.steps = parse(path)
        self.log_path = os.path.join(work, self.name + ".log")
        self.log = open(self.log_path, "wb")
        self.console = None
        self.timeout = 60
        self.found = {}
        self.disk = self.second = self.tree = None
        self.run_status = 0
        self.scratch = tempfile.mkdtemp(prefix="futura-test.")
        self.ports = free_ports(4)

    # --- disks

    def make_disk(self, name, arguments):
        kind, size = arguments.split()
        path = os.path.join(self.scratch, name)
        argv = [FUTURA, "image", "--arch", self.arch, "--output", path, "--type", kind, "--size", size]
        if self.tree:
            argv += ["--tree", self.tree]
        self.call(argv)
        return path

    def native(self, name):
        self.tree = self.tree or os.path.join(self.scratch, "tree")
        os.makedirs(os.path.join(self.tree, "t"), exist_ok=True)
        shutil.copy(os.path.join(ROOT, "build", self.arch, "bin", name), os.path.join(self.tree, "t", name))

    def program(self, name):
        self.tree = self.tree or os.path.join(self.scratch, "tree")
        os.makedirs(os.path.join(self.tree, "t"), exist_ok=True)
        name, _, libc = name.partition(" ")
        if libc == "glibc":
            compiler = {"x86_64": "x86_64-linux-gnu-gcc", "arm64": "aarch64-linux-gnu-gcc"}[self.arch]
            source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "programs", name + ".c")
            self.call([compiler, "-O1", "-static", "-pthread", "-w", "-o", os.path.join(self.tree, "t", name), source])
            return
        target = {"x86_64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}[self.arch]
        source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "programs", name + ".c")
        self.call(["clang-19", "--target=" + target, "-std=c23", "-O1", "-ffreestanding", "-nostdlibinc", "-nostdlib", "-static",
                   "-fno-pic", "-fuse-ld=lld", "-w", "-o", os.path.join(self.tree, "t", name), source])

    def shared_disk(self):
        path = os.path.join(self.work, "shared.img")
        with open(path + ".lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # several cases may start at once
            # Native programs lie on the disk: it is made anew when the build has changed.
            built = os.path.getmtime(os.path.join(ROOT, "build", self.arch, "boot.cpio"))
            if not os.path.exists(path) or os.path.getmtime(path) < built:
                self.call([FUTURA, "image", "--arch", self.arch, "--output", path, "--size", "512M", "--fresh"])
        return path

    def call(self, argv):
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.log.write(done.stdout)
        if done.returncode != 0:
            raise Failure(f"{shlex.join(argv)} failed:\n{indent(done.stdout.decode('utf-8', 'replace'))}")

    # --- the machine

    def run_command(self, options):
        argv = [FUTURA, "run", "--arch", self.arch, "--no-build"]
        if "--no-disk" not in options:
            argv += ["--disk", self.disk] if self.disk else ["--disk", self.shared_disk(), "--snapshot"]
        if self.second:
            argv += ["--second-disk", self.second]
        if self.smp and "--smp" not in options:
            argv += ["--smp", str(self.smp)]
        return argv + options

    def boot(self, options):
        if self.console:
            raise Failure("boot: the machine is still on")
        local = os.environ.get("FUTURA_DRIVE_COMMAND")
        argv = shlex.split(local) if local else self.run_command(options)
        self.console = Console(argv, self.log)
        self.console.wait(r"(/|~) # $", 120)
        # The prompt's text is made by printf: what is typed does not contain it.
        number = random.randrange(10**8, 10**9)
        self.console.type(f"PS1=$(printf 'ready-%d:' {number})\r")
        self.prompt_pattern = f"ready-{number}:"
        self.console.wait(self.prompt_pattern, self.timeout)

    def need_machine(self):
        if not self.console:
            self.boot([])

    def power_off(self):
        self.need_machine()
        self.console.type("poweroff\r")
        status = self.console.wait_end(self.timeout)
        self.console.kill()
        self.console = None
        if status != 0:
            raise Failure(f"`run` ended with status {status} after poweroff")

    def command(self, text, expected):
        self.need_machine()
        self.console.type(text + "\r")
        # The echo of what was typed ends with the first line end.
        self.console.wait(r"\n", self.timeout)
        output, _ = self.console.wait(self.prompt_pattern, self.timeout)
        compare(expected, strip_controls(output))

    # --- steps

    def environment(self):
        ports = {f"PORT{i}": str(port) for i, port in enumerate(self.ports)}
        return dict(os.environ, **ports, DISK=self.disk or "", SECOND=self.second or "", TREE=self.tree or "",
                    ROOT=ROOT, ARCH=self.arch, SCRATCH=self.scratch)

    def step(self, word, argument, expected):
        if word == "$":
            self.command(argument, expected)
        elif word == "send":
            self.need_machine()
            self.console.type(ast.literal_eval(argument) % self.found)
        elif word == "wait":
            self.need_machine()
            pattern = re.sub(r"%\((\w+)\)s", lambda m: re.escape(self.found[m[1]]), ast.literal_eval("r" + argument))
            _, match = self.console.wait(pattern, self.timeout)
            self.found.update(match.groupdict())
        elif word == "prompt":
            self.console.wait(self.prompt_pattern, self.timeout)
        elif word == "sleep":
            time.sleep(float(argument) * SLOWNESS)
        elif word == "timeout":
            self.timeout = float(argument)
        elif word == "disk":
            self.disk = self.make_disk("disk.img", argument)
        elif word == "second":
            self.second = self.make_disk("second.img", argument)
        elif word == "tree":
            self.tree = os.path.join(self.scratch, "tree")
            os.makedirs(self.tree, exist_ok=True)
            self.shell(argument, expected)
        elif word == "native":
            self.native(argument)
        elif word == "program":
            self.program(argument)
        elif word == "boot":
            for i, port in enumerate(self.ports):
                argument = argument.replace(f"$PORT{i}", str(port))
            self.boot(shlex.split(argument))
        elif word == "poweroff":
            self.power_off()
        elif word == "host":
            self.shell(argument, expected)
        elif word == "run":
            done = subprocess.run(self.run_command(["-c", argument]), stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=self.log, timeout=self.timeout * 3 * SLOWNESS)
            self.run_status = done.returncode
            compare(expected, done.stdout.decode("utf-8", "replace"))
        elif word == "status":
            if self.run_status != int(argument):
                raise Failure(f"exit status {self.run_status}, not {argument}")
            self.run_status = 0
        else:
            raise Failure(f"no step \"{word}\"")

    def shell(self, command, expected):
        done = subprocess.run(["sh", "-c", command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, env=self.environment(), timeout=self.timeout * 10)
        self.log.write(done.stdout)
        text = done.stdout.decode("utf-8", "replace")
        if done.returncode != 0:
            raise Failure(f"`{command}` ended with status {done.returncode}:\n{indent(text)}")
        if expected:
            compare(expected, text)

    def run(self):
        start = time.monotonic()
        good = True
        number = word = argument = None

        def report(failure):
            print(f"FAIL {self.name} on {self.arch}: {self.path}:{number}: {word} {argument}\n{failure}", flush=True)

        try:
            for number, word, argument, expected in self.steps:
                if self.run_status != 0 and word != "status":
                    raise Failure(f"the `run` before ended with status {self.run_status}")
                try:
                    self.step(word, argument, expected)
                except Difference as difference:
                    report(difference)
                    good = False
            if self.run_status != 0:
                raise Failure(f"the last `run` ended with status {self.run_status}")
        except (Failure, subprocess.TimeoutExpired) as failure:
            report(failure)
            good = False
            self.log.flush()
            with open(self.log_path, "rb") as file:
                print("The transcript ends with:")
                print(indent(file.read()[-3000:].decode("utf-8", "replace").replace("\r", "")))
        finally:
            if self.console:
                self.console.kill()
            self.log.close()
            shutil.rmtree(self.scratch, ignore_errors=True)
        if good:
            print(f"ok   {self.name} on {self.arch} ({time.monotonic() - start:.1f} s)")
        else:
            print(f"The whole transcript is {self.log_path}")
        return good


def strip_controls(text):
    """Colours and cursor movements out of a line-oriented program's output."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", default="x86_64")
    parser.add_argument("--smp", type=int, help="processors of every machine for which the case says nothing else")
    parser.add_argument("--work", help="directory for transcripts and the shared disk")
    parser.add_argument("case", nargs="+")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that machines are switched off on a timeout
    work = options.work or os.path.join(ROOT, "build", options.arch, "tests-qemu")
    os.makedirs(work, exist_ok=True)
    good = [Case(path, options.arch, work, options.smp).run() for path in options.case]
    sys.exit(0 if all(good) else 1)


if __name__ == "__main__":
    main()
