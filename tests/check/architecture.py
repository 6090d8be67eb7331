#!/usr/bin/env python3
# SPDX-License-Identifier: MPL-2.0
"""Checks the rules of the architecture on the tree itself.

  kernel-words   the nanokernel names nothing of POSIX
  ranks          a server is built with the protocols of lower servers only
  marshalling    messages are built by generated code, and by the FIPC runtime, only
  arch-ifdef     generic code does not ask which architecture it is compiled for
  kernel-size    the kernel with one platform stays under LIMIT lines of code (the goal is 10,000: docs/caveats.md)

Usage: architecture.py [--self-test] TREE. Prints each violation as file:line and exits 1 if there is one.
--self-test runs every rule on a small tree that breaks it, and fails if a rule does not notice.
"""
import pathlib
import re
import sys
import tempfile

SOURCES = {'.c', '.h', '.S'}


def files(tree, *folders, suffixes=SOURCES):
    for folder in folders:
        root = tree / folder
        if root.is_dir():
            yield from sorted(p for p in root.rglob('*') if p.suffix in suffixes)


def without_comments(text):
    """Comments replaced by blanks, so that line numbers stay; strings are left alone."""
    pattern = r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|//[^\n]*|/\*.*?\*/'

    def blank(match):
        s = match.group(0)
        return s if s[0] in '"\'' else re.sub(r'[^\n]', ' ', s)

    return re.sub(pattern, blank, text, flags=re.S)


def grep(tree, paths, pattern, message):
    regex = re.compile(pattern)
    for path in paths:
        for number, line in enumerate(without_comments(path.read_text(errors='replace')).split('\n'), 1):
            if found := regex.search(line):
                yield f'{path.relative_to(tree)}:{number}: {message}: {found.group(0)}'


def kernel_words(tree):
    # Debugging output may say anything to a person; identifiers and strings of the kernel proper may not.
    words = r'\b(posix|pid|inode|errno|sigaction|socket|uid|gid|filename|pathname|sig(nal)?_?number|linux)\b'
    return grep(tree, files(tree, 'nanokernel'), f'(?i){words}', 'policy named in the kernel')


RANK_LINE = re.compile(r'^// rank: (\d+|types only)(?: (\w+))?', re.M)
# Where the source of a server is, and its rank: those of design order, driver hosts at the bottom.
SERVER_RANKS = {'registryd': 0, 'devd': 2, 'ttyd': 3, 'fsd': 3, 'netd': 3, 'posixd': 5, 'sessiond': 6, 'init': 6}


def ranks(tree):
    protocol_rank, owner = {}, {}
    for path in files(tree, 'proto', suffixes={'.fipc'}):
        match = RANK_LINE.search(path.read_text())
        if match is None:
            yield f'{path.relative_to(tree)}:1: no rank line'
            continue
        if match.group(1) != 'types only':
            protocol_rank[path.stem] = int(match.group(1))
            owner[path.stem] = match.group(2)
    for listing in sorted((tree / 'servers').rglob('CMakeLists.txt')):
        for call in re.finditer(r'futura_(server|driver)\((\w+)([^)]*)\)', listing.read_text()):
            kind, name, body = call.groups()
            rank = 1 if kind == 'driver' else SERVER_RANKS.get(name)
            where = listing.relative_to(tree)
            if rank is None:
                yield f'{where}: server {name} has no rank'
                continue
            protocols = re.search(r'PROTOS((?:\s+[a-z]\w*)+)', body)
            for protocol in protocols.group(1).split() if protocols else []:
                if protocol in protocol_rank and protocol_rank[protocol] >= rank and not implements(
                        tree, listing.parent, protocol):
                    yield f'{where}: {name} (rank {rank}) is built with {protocol} (rank {protocol_rank[protocol]})'


def implements(tree, folder, protocol):
    """A server may be built with a protocol of its own rank or above when it serves it and never calls it."""
    text = '\n'.join(without_comments(p.read_text(errors='replace')) for p in files(folder, '.'))
    serves = re.search(rf'\b{protocol}_\w+_(service|ops)\b', text) is not None
    calls = re.search(rf'\b{protocol}_\w+_opt\s*\(', text) is not None
    return serves and not calls


def marshalling(tree):
    paths = [p for p in files(tree, 'servers', 'drivers', 'userland', 'libfutura')
             if not p.is_relative_to(tree / 'libfutura/fipc') and not p.is_relative_to(tree / 'libfutura/sys')
             and not p.is_relative_to(tree / 'libfutura/include')]
    return grep(tree, paths, r'\b(FUT_TAG|fut_ipc_(call|send|recv|reply|reply_recv))\s*\(', 'message built by hand')


def arch_ifdef(tree):
    paths = [p for p in files(tree, 'nanokernel', 'servers', 'libfutura', 'drivers', 'userland')
             if not {'x86_64', 'arm64'} & set(p.parts) and not p.is_relative_to(tree / 'libfutura/include')]
    return grep(tree, paths, r'^\s*#\s*(if|ifdef|ifndef|elif)\b.*\b(__x86_64__|__aarch64__|__amd64__|__arm64__)',
                'architecture asked for in generic code')


def code_lines(paths):
    return sum(1 for p in paths for line in without_comments(p.read_text(errors='replace')).split('\n')
               if line.strip())


LIMIT = 10600


def kernel_size(tree):
    kernel = [p for p in files(tree, 'nanokernel') if not p.is_relative_to(tree / 'nanokernel/debug')]
    for platform in ('x86_64', 'arm64'):
        lines = code_lines(kernel) + code_lines(files(tree, f'platform/{platform}'))
        if lines >= LIMIT:
            yield f'nanokernel with platform/{platform}: {lines} lines of code, {LIMIT} or more'


RULES = [kernel_words, ranks, marshalling, arch_ifdef, kernel_size]

# One tree per rule that breaks it and no other.
BROKEN = {
    'kernel_words': {'nanokernel/a.c': 'int f(int pid) { return pid; }\n'},
    'ranks': {'proto/up.fipc': '// rank: 5 posixd\n',
              'servers/fsd/CMakeLists.txt': 'futura_server(fsd SOURCES a.c PROTOS up)\n',
              'servers/fsd/a.c': 'up_file_read_opt(x);\n'},
    'marshalling': {'servers/fsd/a.c': 'm.tag = FUT_TAG(1, 2, 3, 4, 5, 6);\n'},
    'arch_ifdef': {'drivers/a.c': '#ifdef __x86_64__\n#endif\n'},
    'kernel_size': {'nanokernel/a.c': 'int x;\n' * LIMIT},
}


def self_test():
    missed = []
    for rule in RULES:
        with tempfile.TemporaryDirectory() as folder:
            tree = pathlib.Path(folder)
            for name, text in BROKEN[rule.__name__].items():
                (tree / name).parent.mkdir(parents=True, exist_ok=True)
                (tree / name).write_text(text)
            if not list(rule(tree)):
                missed.append(rule.__name__)
    for name in missed:
        print(f'self-test: rule {name} does not notice a tree that breaks it')
    return missed


def main():
    arguments = [a for a in sys.argv[1:] if a != '--self-test']
    if len(arguments) != 1 or arguments[0].startswith('-'):
        print(__doc__)
        return 2 if '--help' not in sys.argv else 0
    failures = self_test() if '--self-test' in sys.argv else []
    for rule in RULES:
        for violation in rule(pathlib.Path(arguments[0]).resolve()):
            print(violation)
            failures.append(violation)
    return 1 if failures else 0


if __name__ == '__main__':
    sys.exit(main())
