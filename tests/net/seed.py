#!/usr/bin/env python3
# SPDX-License-Identifier: MPL-2.0
"""seed.py DIR: writes what the fuzzer of the receive path (fuzz.c) starts from: one file per kind of frame, made by the
functions of peer.py, so that they are whole and their checksums right. seed.py DIR PCAP...: the frames of captures."""
import os
import struct
import sys
from types import SimpleNamespace

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import peer

directory = sys.argv[1]
os.makedirs(directory, exist_ok=True)
GUEST_MAC = bytes.fromhex("525400123456")
GUEST, HOST = bytes([10, 0, 2, 15]), bytes([10, 0, 2, 2])
LINK_GUEST = bytes.fromhex("fe80000000000000505400fffe123456")


class Writer(peer.Peer):
    def __init__(self):
        self.options = SimpleNamespace(lose=0, twice=0, swap=0, no_router=False)
        self.guest_mac, self.held, self.streams, self.ident, self.said, self.frames = GUEST_MAC, [], {}, 0, set(), []

    def send(self, frame):
        self.frames.append(frame)

    def say(self, text, once=True):
        pass

    def save(self, name, flags=9):
        with open(os.path.join(directory, name), "wb") as file:
            for frame in self.frames:
                file.write(struct.pack("<BH", flags, len(frame)) + frame)
        self.frames = []


if len(sys.argv) > 2:
    for path in sys.argv[2:]:
        data, at, out = open(path, "rb").read(), 24, []
        while at < len(data):
            size = struct.unpack("<I", data[at + 8:at + 12])[0]
            frame = data[at + 16:at + 16 + size]
            at += 16 + size
            if frame[6:12] != GUEST_MAC and len(frame) < 2000:
                out.append(struct.pack("<BH", 11, len(frame)) + frame)
        for i in range(0, min(len(out), 64), 16):
            with open(os.path.join(directory, f"{os.path.basename(path)}-{i}"), "wb") as file:
                file.write(b"".join(out[i:i + 16]))
    sys.exit()

w = Writer()
segment = lambda flags, data=b"", option=b"", seq=0, ack=0: w.transport(
    6, 16, struct.pack("!HHIIBBHHH", 4000, 80, seq, ack, (20 + len(option)) << 2, flags, 8000, 0, 0) + option + data, HOST, GUEST)
segment(0x18, b"GET / HTTP/1.0\r\n\r\n")
segment(0x18, b"again" * 200, seq=18)
w.save("tcp-data", 11)
segment(0x18, b"later", seq=10)
segment(0x18, b"first" * 2)
w.save("tcp-out-of-order", 11)
segment(0x18, b"x", bytes.fromhex("0101080a0000000100000002"))
segment(0x10, b"", bytes.fromhex("0101050a0000000100000005"))
w.save("tcp-options", 27)
segment(0x11)
segment(0x10, seq=1, ack=1)
w.save("tcp-end", 27)
segment(0x14)
w.save("tcp-reset", 11)
segment(0x38, b"urgent")
w.save("tcp-urgent", 11)
w.transport(6, 16, struct.pack("!HHIIBBHHH", 4001, 80, 7, 0, 7 << 4, 2, 8000, 0, 0) + bytes.fromhex("020405b401030307"), HOST, GUEST)
w.save("tcp-syn")
w.udp(HOST, GUEST, 9, 7, b"datagram")
w.save("udp")
w.udp(peer.LINK, LINK_GUEST, 9, 7, b"datagram")
w.save("udp6")
w.ip4(1, b"\x08\0\0\0\0\1\0\1ping", GUEST, HOST)
w.save("ping")
w.transport(58, 2, b"\x80\0\0\0\0\1\0\1ping", peer.LINK, LINK_GUEST)
w.save("ping6")
w.ip4(1, b"\3\3\0\0\0\0\0\0\x45" + bytes(27), GUEST, HOST)
w.save("unreachable")
w.icmp6(LINK_GUEST, peer.LINK, b"\x87" + bytes(7) + peer.LINK)
w.save("neighbour")
w.icmp6(LINK_GUEST, peer.LINK, b"\x85" + bytes(7))
w.save("router")
w.transport(58, 2, b"\x87\0\0\0\0\0\0\0" + LINK_GUEST + b"\1\1" + peer.MAC, peer.LINK, LINK_GUEST)
w.save("solicitation")
w.arp(struct.pack("!HHBBH", 1, 0x800, 6, 4, 1) + GUEST_MAC + GUEST + bytes(6) + peer.IP)
w.ether(0x806, struct.pack("!HHBBH", 1, 0x800, 6, 4, 1) + peer.MAC + HOST + bytes(6) + GUEST)
w.save("arp")
w.udp(HOST, bytes([224, 0, 0, 251]), 5353, 5353, bytes.fromhex("000000000001000000000000") + b"\6futura\5local\0\0\1\0\1")
w.save("mdns")
w.udp(HOST, GUEST, 53, 49152, w.dns(b"\1\2\1\0\0\1\0\0\0\0\0\0\4peer\4test\0\0\1\0\1"))
w.save("dns")
w.dhcp(b"\1\1\6\0" + bytes(24) + GUEST_MAC + bytes(202) + b"\x63\x82\x53\x63\x35\1\1\xff")
w.save("dhcp")
payload = bytes(range(256)) * 8
for offset in (0, 1024):
    part = payload[offset:offset + 1024]
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(part), 77, (0x2000 if offset == 0 else 0) | offset // 8, 64, 17, 0) + HOST + GUEST
    w.ether(0x800, head + part)
w.save("fragments")
fragment = struct.pack("!BBHI", 17, 0, 1, 5)
w.ether(0x86dd, struct.pack("!IHBB", 6 << 28, 8 + 64, 44, 64) + peer.LINK + LINK_GUEST + fragment + bytes(64))
w.ether(0x86dd, struct.pack("!IHBB", 6 << 28, 8 + 64, 44, 64) + peer.LINK + LINK_GUEST + struct.pack("!BBHI", 17, 0, 64, 5) + bytes(64))
w.save("fragments6")
w.ip4(2, b"\x11\x64\xee\x9b\0\0\0\0", bytes([224, 0, 0, 1]), HOST)
w.save("igmp")
w.transport(58, 2, b"\x82\0\0\0\0\x64\0\0" + bytes(16), peer.LINK, bytes.fromhex("ff02" + "00" * 13 + "01"))
w.save("mld")
