#!/usr/bin/env python3
# SPDX-License-Identifier: MPL-2.0
"""echo.py PORT BYTES [SECONDS]: sends so many random bytes to 127.0.0.1:PORT, reads as many back and compares their
sha256. With SECONDS, waits that long for somebody to listen. Prints `echoed` or why not."""
import hashlib
import os
import socket
import sys
import threading
import time

port, size = int(sys.argv[1]), int(sys.argv[2])
end = time.monotonic() + (float(sys.argv[3]) if len(sys.argv) > 3 else 20)
first = b""
while True:
    # QEMU itself takes the connection; whether the guest does shows when something comes back.
    s = socket.create_connection(("127.0.0.1", port), 20)
    try:
        s.sendall(b"?")
        first = s.recv(1)
    except OSError:
        first = b""
    if first == b"?" or time.monotonic() > end:
        break
    s.close()
    time.sleep(0.2)
if first != b"?":
    sys.exit("nobody answers")
s.settimeout(120)
sent = hashlib.sha256()


def send():
    left = size
    while left:
        part = os.urandom(min(left, 65536))
        sent.update(part)
        s.sendall(part)
        left -= len(part)
    s.shutdown(socket.SHUT_WR)


thread = threading.Thread(target=send)
start = time.monotonic()
thread.start()
got, count = hashlib.sha256(), 0
while True:
    part = s.recv(65536)
    if not part:
        break
    got.update(part)
    count += len(part)
thread.join()
if count != size or got.digest() != sent.digest():
    sys.exit(f"{count} of {size} bytes came back, {'equal' if got.digest() == sent.digest() else 'different'}")
print("echoed")
print(f"{size / (time.monotonic() - start) / 1e6:.2f} MB/s each way", file=sys.stderr)
