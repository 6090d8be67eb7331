#!/usr/bin/env python3
# SPDX-License-Identifier: MPL-2.0
"""Talks to a TCP port of 127.0.0.1 for a case of drive.py.

    talk.py PORT [LINE]...   sends each LINE, ended by a line end, and prints what comes until the other side closes;
                             Telnet's negotiation is left out
    talk.py --get PORT PATH  fetches PATH by HTTP and prints what it is
"""

import re
import socket
import sys
import time
import urllib.request


def main():
    if sys.argv[1] == "--get":
        with urllib.request.urlopen(f"http://127.0.0.1:{sys.argv[2]}{sys.argv[3]}", timeout=60) as page:
            sys.stdout.write(page.read().decode())
        return
    # The forwarding accepts before the guest does.
    with socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=60) as s:
        for line in sys.argv[2:]:
            time.sleep(0.3)
            s.sendall(line.encode() + b"\r\n")
        data = b""
        while True:
            part = s.recv(4096)
            if not part:
                break
            data += part
    data = re.sub(rb"\xff[\xfb-\xfe].", b"", data).replace(b"\r", b"")
    sys.stdout.write(data.decode("utf-8", "replace"))


main()
