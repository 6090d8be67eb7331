#!/usr/bin/env python3
# SPDX-License-Identifier: MPL-2.0
"""The other end of a guest's network card, for tests that must not depend on anything outside: frames travel as UDP
datagrams on 127.0.0.1 (QEMU: -netdev dgram), and this program is everything that the guest meets.

    peer.py LISTEN_PORT QEMU_PORT [--log FILE] [--lose N] [--twice N] [--swap N] [--for SECONDS] [--no-router]

It is 10.9.0.1 and fe80::1: it answers ARP and neighbour solicitations, gives 10.9.0.50 by DHCP (with itself as gateway,
name server and NTP server), advertises the prefix fd09:9::/64, answers DNS (peer.test is 10.9.0.1 and fd09:9::1,
long.test has many addresses, anything else does not exist), NTP (it is 2033-05-18 03:33:20), pings, UDP port 7 (echo) and TCP
port 7 (echo, through a small TCP of its own). Of the frames in either direction it loses, doubles or swaps one in N.
What it sees of interest goes to the log, a line each."""
import argparse
import os
import random
import select
import socket
import struct
import sys
import time

MAC = bytes.fromhex("525509000001")
IP, GUEST, MASK = bytes([10, 9, 0, 1]), bytes([10, 9, 0, 50]), bytes([255, 255, 255, 0])
LINK = bytes.fromhex("fe80" + "00" * 13 + "01")
PREFIX = bytes.fromhex("fd090009" + "00" * 4)
GLOBAL = PREFIX + bytes(7) + b"\x01"
NTP_TIME = 2000000000


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


class Peer:
    def __init__(self, options):
        self.options = options
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", options.listen))
        self.to = ("127.0.0.1", options.qemu)
        self.log = open(options.log, "a", buffering=1) if options.log else sys.stderr
        self.guest_mac = b"\xff" * 6
        self.random = random.Random(9)
        self.held = []
        self.streams = {}
        self.ident = 0
        self.said = set()

    def say(self, text, once=True):
        if text not in self.said or not once:
            self.said.add(text)
            print(text, file=self.log)

    # --- frames, with their accidents

    def one_in(self, n):
        return n and self.random.randrange(n) == 0

    def send(self, frame):
        if self.one_in(self.options.lose):
            return
        if self.one_in(self.options.swap):
            self.held.append(frame)
            return
        for _ in range(2 if self.one_in(self.options.twice) else 1):
            self.sock.sendto(frame, self.to)
        while self.held:
            self.sock.sendto(self.held.pop(), self.to)

    def ether(self, kind, payload, to=None):
        self.send((to or self.guest_mac) + MAC + struct.pack("!H", kind) + payload)

    def ip4(self, protocol, payload, to, source=IP, mac=None):
        self.ident += 1
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), self.ident & 0xffff, 0, 64, protocol, 0) + source + to
        head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
        self.ether(0x800, head + payload, mac)

    def pseudo(self, source, to, protocol, payload):
        if len(source) == 4:
            return source + to + struct.pack("!BBH", 0, protocol, len(payload)) + payload
        return source + to + struct.pack("!II", len(payload), protocol) + payload

    def transport(self, protocol, at, payload, source, to):
        total = checksum(self.pseudo(source, to, protocol, payload)) or 0xffff
        payload = payload[:at] + struct.pack("!H", total) + payload[at + 2:]
        if len(source) == 4:
            self.ip4(protocol, payload, to, source)
        else:
            mac = b"\x33\x33" + to[12:] if to[0] == 0xff else self.guest_mac
            self.ether(0x86dd, struct.pack("!IHBB", 6 << 28, len(payload), protocol, 255) + source + to + payload, mac)

    def udp(self, source, to, sport, dport, data):
        self.transport(17, 6, struct.pack("!HHHH", sport, dport, 8 + len(data), 0) + data, source, to)

    # --- what the guest sends

    def frame(self, f):
        if len(f) < 14 or self.one_in(self.options.lose):
            return
        if f[6] & 1 == 0:
            self.guest_mac = f[6:12]
        kind, p = struct.unpack("!H", f[12:14])[0], f[14:]
        if kind == 0x806:
            self.arp(p)
        elif kind == 0x800 and p[0] >> 4 == 4:
            size = (p[0] & 15) * 4
            total = struct.unpack("!H", p[2:4])[0]
            self.packet(p[9], p[12:16], p[16:20], p[size:total])
        elif kind == 0x86dd:
            size = struct.unpack("!H", p[4:6])[0]
            protocol, at = p[6], 40
            if protocol == 0:  # hop-by-hop options, as MLD has them
                protocol, at = p[40], 40 + 8 + p[41] * 8
            self.packet(protocol, p[8:24], p[24:40], p[at:40 + size])

    def packet(self, protocol, source, to, p):
        if protocol == 17:
            sport, dport = struct.unpack("!HH", p[:4])
            self.datagram(source, to, sport, dport, p[8:])
        elif protocol == 1 and p[0] == 8:
            answer = b"\0\0\0\0" + p[4:]
            self.ip4(1, answer[:2] + struct.pack("!H", checksum(answer)) + answer[4:], source)
            self.say("ping")
        elif protocol == 58:
            self.icmp6(source, to, p)
        elif protocol == 6:
            self.tcp(source, to, p)

    def arp(self, p):
        if struct.unpack("!H", p[6:8])[0] == 1 and p[24:28] == IP:
            self.ether(0x806, p[:6] + b"\0\2" + MAC + IP + p[8:18])

    def icmp6(self, source, to, p):
        if p[0] == 135 and p[8:24] in (LINK, GLOBAL):
            back = source if any(source) else bytes.fromhex("ff02" + "00" * 13 + "01")
            self.transport(58, 2, struct.pack("!BBHI", 136, 0, 0, 0xe0000000) + p[8:24] + b"\2\1" + MAC, p[8:24], back)
        elif p[0] == 133 and not self.options.no_router:
            option = struct.pack("!BBBBIII", 3, 4, 64, 0xc0, 3600, 1800, 0) + PREFIX + bytes(8)
            everybody = bytes.fromhex("ff02" + "00" * 13 + "01")
            self.transport(58, 2, struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0) + option + b"\1\1" + MAC, LINK, everybody)
            self.say("router solicited")
        elif p[0] == 128:
            self.transport(58, 2, b"\x81\0\0\0" + p[4:], to, source)
            self.say("ping6")

    def datagram(self, source, to, sport, dport, data):
        if dport == 67:
            self.dhcp(data)
        elif dport == 53:
            answer = self.dns(data)
            if answer:
                self.udp(to, source, 53, sport, answer)
        elif dport == 123 and len(data) >= 48:
            stamp = struct.pack("!II", NTP_TIME + 2208988800, 0)
            self.udp(to, source, 123, sport, bytes([0x24, 1, 6, 0xec]) + bytes(8) + b"PEER" + stamp + data[40:48] + stamp + stamp)
            self.say("asked for the time")
        elif dport == 7:
            self.udp(to, source, 7, sport, data)
        elif dport == 5353:
            self.say("mdns from the guest")
            if data[2] & 0x80:
                self.say("mdns answer " + " ".join(sorted({n for n in names_in(data)})), once=True)

    def dhcp(self, data):
        options, at = {}, 240
        while at < len(data) and data[at] != 255:
            if data[at] == 0:
                at += 1
                continue
            options[data[at]] = data[at + 2:at + 2 + data[at + 1]]
            at += 2 + data[at + 1]
        kind = options.get(53, b"\0")[0]
        self.say(f"dhcp {kind} {options.get(12, b'').decode('ascii', 'replace')}", once=False)
        if kind not in (1, 3):
            return
        answer = b"\2\1\6\0" + data[4:8] + bytes(8) + GUEST + IP + bytes(4) + data[28:44] + bytes(192) + b"\x63\x82\x53\x63"
        answer += bytes([53, 1, 2 if kind == 1 else 5, 54, 4]) + IP + b"\x33\4" + struct.pack("!I", 3600) + b"\1\4" + MASK
        answer += b"\3\4" + IP + b"\6\4" + IP + b"\x2a\4" + IP + b"\xff"
        self.ip4(17, struct.pack("!HHHH", 67, 68, 8 + len(answer), 0) + answer, b"\xff" * 4, mac=b"\xff" * 6)

    def dns(self, data):
        name, at = read_name(data, 12)
        kind = struct.unpack("!H", data[at:at + 2])[0]
        self.say(f"dns {name} {kind}", once=False)
        addresses = {("peer.test", 1): [IP], ("peer.test", 28): [GLOBAL],
                     ("long.test", 1): [bytes([10, 9, 1, i]) for i in range(40)]}.get((name, kind), [])
        known = name in ("peer.test", "long.test")
        head = data[:2] + struct.pack("!HHHHH", 0x8180 if known else 0x8183, 1, len(addresses), 0, 0)
        records = b"".join(b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 60, len(a)) + a for a in addresses)
        return head + data[12:at + 4] + records

    # --- a TCP that echoes: in order, one segment at a time, with a timer

    def tcp(self, source, to, p):
        sport, dport, seq, ack, offset, flags, window = struct.unpack("!HHIIBBH", p[:16])
        data = p[(offset >> 4) * 4:]
        key = (source, to, sport)
        s = self.streams.get(key)
        if flags & 4:
            self.streams.pop(key, None)
            return
        if flags & 2:
            if dport != 7:
                self.segment(source, to, dport, sport, 0, seq + 1, 0x14)
                return
            if s is None:
                s = self.streams[key] = {"next": seq + 1 & 0xffffffff, "seq": 1000, "una": 1000, "out": b"", "fin": False,
                                         "finned": False, "sent": 0, "window": window, "synced": False, "dport": dport}
            self.segment(source, to, dport, sport, 1000, s["next"], 0x12)
            s["sent"] = time.monotonic()
            return
        if s is None:
            return
        s["window"] = window
        acked = ack - s["una"] & 0xffffffff
        if flags & 16 and 0 < acked <= len(s["out"]) + 2:
            if not s["synced"]:
                s["synced"] = True
                acked -= 1
                s["una"] += 1
            s["una"] = s["una"] + acked & 0xffffffff
            if acked > len(s["out"]):
                s["finned"] = True
            s["out"] = s["out"][acked:]
        if data and seq == s["next"]:
            s["next"] = s["next"] + len(data) & 0xffffffff
            s["out"] += data
        if flags & 1 and seq + len(data) & 0xffffffff == s["next"] and not s["fin"]:
            s["next"] = s["next"] + 1 & 0xffffffff
            s["fin"] = True
        self.push(key, s, bool(data) or bool(flags & 1))
        if s["finned"]:
            del self.streams[key]

    def push(self, key, s, always=False):
        source, to, sport = key
        at, sent = 0, False
        while s["synced"] and at < min(len(s["out"]), s["window"], 8 * 1400):
            part = s["out"][at:at + 1400]
            self.segment(source, to, s["dport"], sport, s["una"] + at, s["next"], 0x18, part)
            at, sent = at + len(part), True
        if s["fin"] and at == len(s["out"]):
            self.segment(source, to, s["dport"], sport, s["una"] + at, s["next"], 0x11)
        elif always and not sent:
            self.segment(source, to, s["dport"], sport, s["una"], s["next"], 0x10)
        s["sent"] = time.monotonic()

    def segment(self, source, to, sport, dport, seq, ack, flags, data=b""):
        option = b"\2\4" + struct.pack("!H", 1400) if flags & 2 else b""
        head = struct.pack("!HHIIBBHHH", sport, dport, seq & 0xffffffff, ack & 0xffffffff, (20 + len(option)) << 2, flags, 30000, 0, 0)
        self.transport(6, 16, head + option + data, to, source)

    def run(self):
        end = time.monotonic() + self.options.seconds
        print("ready", flush=True)
        while time.monotonic() < end:
            if select.select([self.sock], [], [], 0.05)[0]:
                self.frame(self.sock.recv(65536))
            now = time.monotonic()
            for key, s in list(self.streams.items()):
                if now - s["sent"] > 0.2 and (s["out"] or s["fin"]) and s["synced"]:
                    self.push(key, s)
                elif now - s["sent"] > 60:
                    del self.streams[key]


def read_name(data, at, depth=0):
    labels = []
    while data[at]:
        if data[at] & 0xc0:
            if depth < 8:
                labels.append(read_name(data, struct.unpack("!H", data[at:at + 2])[0] & 0x3fff, depth + 1)[0])
            return ".".join(labels), at + 2
        labels.append(data[at + 1:at + 1 + data[at]].decode("ascii", "replace").lower())
        at += 1 + data[at]
    return ".".join(labels), at + 1


def names_in(data):
    """The names of a message's questions and answers."""
    at = 12
    questions, answers = struct.unpack("!HH", data[4:8])
    for i in range(questions + answers):
        name, at = read_name(data, at)
        yield name
        at += 4 if i < questions else 10 + struct.unpack("!H", data[at + 8:at + 10])[0]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("listen", type=int)
    parser.add_argument("qemu", type=int)
    parser.add_argument("--log")
    parser.add_argument("--lose", type=int, default=0)
    parser.add_argument("--twice", type=int, default=0)
    parser.add_argument("--swap", type=int, default=0)
    parser.add_argument("--for", dest="seconds", type=float, default=300)
    parser.add_argument("--no-router", action="store_true")
    peer = Peer(parser.parse_args())
    try:
        peer.run()
    except KeyboardInterrupt:
        pass
