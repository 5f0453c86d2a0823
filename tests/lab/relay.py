"""A long wire between two bridges: `relay.py MS TAP TAP` in the lab's network; each frame comes out of the other end MS milliseconds later."""

import collections
import fcntl
import os
import select
import struct
import sys
import time

TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 0x0002, 0x1000


def tap(name):
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TAP | IFF_NO_PI))
    return device


def main(delay, *names):
    ends = [tap(name) for name in names]
    print("ready", flush=True)
    other = dict(zip(ends, reversed(ends)))
    waiting = collections.deque()    # due, where to, frame
    while True:
        pause = None if not waiting else max(0.0, waiting[0][0] - time.monotonic())
        readable, _, _ = select.select(ends, [], [], pause)
        for end in readable:
            for _ in range(64):
                try:
                    frame = os.read(end, 65536)
                except OSError:
                    break    # no more for now, or the link is down
                waiting.append((time.monotonic() + delay / 1000, other[end], frame))
        while waiting and waiting[0][0] <= time.monotonic():
            _, end, frame = waiting.popleft()
            try:
                os.write(end, frame)
            except OSError:
                pass    # cut off


main(float(sys.argv[1]), *sys.argv[2:4])
