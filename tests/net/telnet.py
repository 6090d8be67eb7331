#!/usr/bin/env python3
# SPDX-License-Identifier: MPL-2.0
"""telnet.py PORT LINE: logs in at 127.0.0.1:PORT, types LINE and prints what comes, until the other side ends."""
import socket
import sys

s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 20)
s.settimeout(20)
text = b""
while b"# " not in text:
    part = s.recv(4096)
    if not part:
        sys.exit("it closed before there was a prompt")
    text += part
s.sendall(sys.argv[2].encode() + b"\r\n")
text = b""
try:
    while part := s.recv(4096):
        text += part
except ConnectionResetError:
    pass
print(text.decode("utf-8", "replace").replace("\r", ""), end="")
