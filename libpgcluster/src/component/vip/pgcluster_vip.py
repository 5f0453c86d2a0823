#!/usr/bin/python3 -IS
"""Holds the cluster's virtual IP address as a lease, while the Patroni of this host says that it leads.

The address has a lifetime of 4 s and is renewed every half second: if this program is frozen or killed, the kernel removes the address.
usage: pgcluster-vip ADDRESS/LENGTH INTERFACE URL     URL: /leader of the Patroni of this host, which is
asked with TLS where the cluster has certificates
/etc/default/pgcluster-vip sets `peers`: the same URL of every other database host, read whenever the address is to be taken.
"""

import contextlib
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

PEERS = "/etc/default/pgcluster-vip"
AUTHORITY = "/etc/pgcluster/tls/authority.crt"    # who signs the certificates of Patroni, where it speaks TLS
SETTLED = "/var/lib/pgcluster/encrypted"          # nothing speaks plainly any more
LEASE = 4         # s
STALE = 2.0       # s; an answer that old proves nothing
EXPIRED = 3.5     # s; a lease that was not renewed for so long counts as lost
PATIENCE = 5.0    # s; by then a leader that was cut off has lost the address, even if its program has frozen meanwhile
PAUSE = 0.5       # s between two rounds


def now():
    """Seconds since boot: a clock that nobody sets, and that goes on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def say(text):
    try:
        os.write(1, (text + "\n").encode())
    except OSError:
        pass    # nobody reads it


class Service:
    """Tells systemd that the rounds go on: READY=1 after the first one, then WATCHDOG=1 every 2 s."""

    def __init__(self):
        self.told = None
        path = os.environ.get("NOTIFY_SOCKET", "")
        self.path = "\0" + path[1:] if path.startswith("@") else path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)

    def notify(self):
        if not self.path or (self.told is not None and now() - self.told < 2):
            return
        try:
            self.socket.sendto(b"READY=1" if self.told is None else b"WATCHDOG=1", self.path)
            self.told = now()
        except OSError:
            pass


class Trust:
    """The cluster's authority, read again whenever its file has changed. While a cluster goes over to TLS, or back, its Patronis speak one way or the other."""

    def __init__(self):
        self.read = self.context = None

    def ways(self):
        """The ways to ask a Patroni, one after the other: a context of TLS, or None for without."""
        try:
            found = os.stat(AUTHORITY)
        except OSError:
            return [None]
        if self.read != (found.st_mtime_ns, found.st_ino):
            import ssl    # only here: without TLS it would be memory for nothing

            try:
                self.context = ssl.create_default_context(cafile=AUTHORITY)
            except OSError:
                return [None]
            self.read = (found.st_mtime_ns, found.st_ino)
        return [self.context] if os.path.exists(SETTLED) else [self.context, None]


TRUST = Trust()


class Url:
    """A URL of Patroni's REST API. Patroni speaks HTTP/1.0 and closes the connection after each answer, so there is none to keep."""

    def __init__(self, url):
        parts = re.fullmatch(r"http://(?:\[([0-9A-Fa-f:.%]+)\]|([^/:\[\]]+)):(\d+)(/.*)", url)
        if not parts:
            raise ValueError("not the URL of a Patroni: " + url)
        self.host, port = parts[1] or parts[2], int(parts[3])
        self.family, _, _, _, self.address = socket.getaddrinfo(self.host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)[0]
        self.request = f"GET {parts[4]} HTTP/1.0\r\nHost: {url.split('/')[2]}\r\n\r\n".encode()

    def ask(self, limit):
        """Status and body of the whole answer; (0, "") if it is not here within `limit` seconds."""
        end = now() + limit
        for way in TRUST.ways():
            answer = self.ask_by(way, end)
            if answer[0] or now() >= end:
                break
        return answer

    def ask_by(self, way, end):
        answer = b""
        try:
            with socket.socket(self.family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as plain, contextlib.ExitStack() as closed:
                plain.settimeout(max(0.01, end - now()))
                plain.connect(self.address)
                connection = closed.enter_context(way.wrap_socket(plain, server_hostname=self.host)) if way else plain
                connection.sendall(self.request)
                while len(answer) < 1 << 20:
                    left = end - now()
                    if left <= 0:
                        return 0, ""
                    connection.settimeout(left)
                    part = connection.recv(65536)
                    if not part:
                        head, _, body = answer.partition(b"\r\n\r\n")
                        status = re.match(rb"HTTP/1\.[01] (\d{3})\b", head)
                        return (int(status[1]) if status else 0), body.decode("utf-8", "replace")
                    answer += part
        except OSError:
            pass
        return 0, ""


class Address:
    """The address on its interface, by rtnetlink."""

    NEW, DELETE, GET = 20, 21, 22                                    # RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR
    REQUEST, ACK, DUMP, REPLACE, CREATE = 1, 4, 0x300, 0x100, 0x400  # NLM_F_…
    ERROR, DONE = 2, 3                                               # NLMSG_…
    IFA_ADDRESS, IFA_LOCAL, IFA_CACHEINFO, IFA_FLAGS = 1, 2, 6, 8
    TENTATIVE, DADFAILED = 0x40, 0x08                                # IFA_F_…
    FOREVER = 0xFFFFFFFF

    def __init__(self, address, interface):
        self.text, _, length = address.partition("/")
        self.is_ipv6 = ":" in self.text
        self.family = socket.AF_INET6 if self.is_ipv6 else socket.AF_INET
        self.packed = socket.inet_pton(self.family, self.text)
        self.length = int(length)
        self.interface = interface
        self.sequence = 0
        self.netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)    # NETLINK_ROUTE
        self.netlink.settimeout(1.0)

    @staticmethod
    def attribute(kind, value):
        return struct.pack("=HH", 4 + len(value), kind) + value + b"\0" * (-len(value) % 4)

    def request(self, kind, flags, body):
        """The messages of the kernel's answer. Throws OSError if the kernel refuses."""
        self.sequence += 1
        self.netlink.send(struct.pack("=IHHII", 16 + len(body), kind, self.REQUEST | flags, self.sequence, 0) + body)
        while True:
            data = self.netlink.recv(1 << 16)
            while len(data) >= 16:
                size, answer, _, sequence, _ = struct.unpack_from("=IHHII", data)
                message, data = data[16:size], data[(size + 3) & ~3:]
                if sequence != self.sequence:
                    continue    # of a request that was broken off
                if answer == self.ERROR:
                    error = -struct.unpack_from("=i", message)[0]
                    if error:
                        raise OSError(error, os.strerror(error))
                    return
                if answer == self.DONE:
                    return
                yield message

    def message(self):
        index = socket.if_nametoindex(self.interface)
        return (struct.pack("=BBBBI", self.family, self.length, 0, 0, index) + self.attribute(self.IFA_LOCAL, self.packed) +
                self.attribute(self.IFA_ADDRESS, self.packed))

    def set(self, lifetime):
        """Adds or renews it. Throws OSError."""
        life = struct.pack("=IIII", lifetime, lifetime, 0, 0)    # preferred, valid
        for _ in self.request(self.NEW, self.ACK | self.REPLACE | self.CREATE, self.message() + self.attribute(self.IFA_CACHEINFO, life)):
            pass

    def delete(self):
        try:
            for _ in self.request(self.DELETE, self.ACK, self.message()):
                pass
        except OSError:
            pass    # it is gone

    def find(self):
        """(seconds of lifetime, whether the kernel still probes for another holder) if the interface has it, else None. Throws OSError."""
        found = None
        index = socket.if_nametoindex(self.interface)
        for message in self.request(self.GET, self.DUMP, struct.pack("=BBBBI", self.family, 0, 0, 0, 0)):
            _, length, flags, _, where = struct.unpack_from("=BBBBI", message)
            given = {}
            at = 8
            while at + 4 <= len(message):
                size, kind = struct.unpack_from("=HH", message, at)
                if size < 4:
                    break
                given[kind] = message[at + 4:at + size]
                at += (size + 3) & ~3
            if where != index or length != self.length or given.get(self.IFA_LOCAL, given.get(self.IFA_ADDRESS)) != self.packed:
                continue
            if self.IFA_FLAGS in given:
                flags = struct.unpack("=I", given[self.IFA_FLAGS])[0]
            life = struct.unpack_from("=II", given[self.IFA_CACHEINFO])[1] if self.IFA_CACHEINFO in given else self.FOREVER
            found = life, bool(flags & (self.TENTATIVE | self.DADFAILED))
        return found


class Stopped(Exception):
    pass


class Keeper:
    def __init__(self, address, interface, url):
        self.name, self.interface = address, interface
        self.address = Address(address, interface)
        self.patroni = Url(url)
        self.service = Service()
        self.held = False
        self.settled = False      # IPv6: the kernel has found no other holder since we set the address
        self.renewed = 0.0        # when the lease began that we have
        self.began = self.last = now()
        self.since = None         # when this host began to lead without the address
        self.clear = None         # when nobody else had it
        self.warned = False
        self.answer = ""          # of this host's Patroni
        self.announcing = None

    def leads(self):
        """None: Patroni does not answer. It does not for a moment when it takes a new certificate."""
        status, self.answer = self.patroni.ask(1.0)
        return status == 200 if status else None

    def alone(self):
        """Whether an old leader need not be waited for. Patience is for one that cannot be asked. A primary on timeline 1 has had none before it. And
        where every other member itself says that it does not lead, nobody is cut off, so the probe below finds whoever still has the address."""
        if re.search(r'"role": *"(primary|master)"', self.answer) and re.search(r'"timeline": *1[,}]', self.answer):
            return True
        try:
            with open(PEERS, encoding="utf-8") as file:
                peers = re.search(r"^peers='([^']*)'$", file.read(), re.MULTILINE)
        except OSError:
            return False
        try:
            urls = [Url(one) for one in peers[1].split()] if peers else None
        except (OSError, ValueError):
            urls = None
        if urls is None:
            return False
        denials, asked = [], []
        for url in urls:
            asked.append(threading.Thread(target=lambda url=url: denials.append(url.ask(0.5)[0] == 503), daemon=True))
            asked[-1].start()
        for thread in asked:
            thread.join()
        return len(denials) == len(asked) and all(denials)

    def arping(self, *options):
        return subprocess.Popen(["arping", "-q", *options, "-I", self.interface, self.address.text], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    def unclaimed(self):
        """Nobody on the network has the address: a host's kernel answers also where all its processes are frozen. IPv6: the kernel probes by itself."""
        if self.address.is_ipv6:
            return True
        try:
            probes = [self.arping("-D", "-c", "1", "-w", "1")]
            time.sleep(0.3)    # two probes, for one may be lost
            probes.append(self.arping("-D", "-c", "1", "-w", "1"))
        except OSError as why:
            say(f"cannot probe for {self.name}: {why}")
            return False
        return not any([probe.wait() for probe in probes])

    def give_up(self, why):
        self.since = self.clear = None
        if not self.held:
            return
        self.address.delete()
        self.held = False
        if self.announcing:
            self.announcing.kill()
        say(f"gave up {self.name}: {why}")

    def adopt(self):
        """Whether this host has the address already, as a lease that is current: the program of an older release has set it, and may still run. To go on
        with that is no takeover, and needs no patience. The kernel rounds up what is left of a lifetime."""
        try:
            found = self.address.find()
        except OSError:
            return False
        if not found or found[1] or found[0] > LEASE or LEASE - found[0] + 1 > EXPIRED:
            return False
        self.held = self.settled = True
        self.warned = False
        say(f"goes on with {self.name}: this host has it and leads")
        return True

    def is_ours_still(self):
        """IPv6: the kernel probes for an address that is new, and takes it away again where another host has it. One that was settled and is gone was
        removed on this host: it is set again."""
        if not self.address.is_ipv6:
            return True
        try:
            found = self.address.find()
        except OSError:
            return True
        if found:
            self.settled = self.settled or not found[1]
            return True
        settled, self.settled = self.settled, False
        return settled

    def renew(self):
        if self.held and not self.is_ours_still():
            self.give_up("another host answers for it")
            return False
        self.held, self.renewed = True, now()
        try:
            self.address.set(LEASE)
        except OSError as why:
            self.give_up(f"it cannot be set: {why.strerror or why}")
            return False
        if now() - self.began > STALE:    # it may have been frozen just before
            self.give_up("setting it took too long")
            return False
        return True

    def take(self):
        self.settled = False
        if not self.renew():
            return
        self.warned = False
        say(f"took {self.name}: this host leads")
        if not self.address.is_ipv6:
            try:
                self.announcing = self.arping("-A", "-c", "3")
            except OSError as why:
                say(f"cannot announce {self.name}: {why}")

    def round(self):
        """Looks once. Whether the next look is due at once."""
        self.began = now()
        if self.held and self.began - self.renewed > EXPIRED:
            self.give_up(f"it was not renewed for {(self.began - self.renewed) * 1000:.0f} ms")
        if self.began - self.last > STALE:
            self.since = None
        self.last = self.began
        leads = self.leads()
        if leads is None and self.held:
            pass    # not renewed: without an answer the lease ends
        elif not leads:
            self.give_up("Patroni does not say that this host leads")
        elif now() - self.began > STALE:
            self.since = None    # neither renewed nor taken on that
        elif self.held or self.adopt():
            self.renew()
        elif self.clear is not None and self.began - self.clear <= STALE:
            self.clear = None
            self.take()
        else:
            if self.since is None:
                self.since = self.began
            patience = PATIENCE if self.address.is_ipv6 else PATIENCE - 1    # probing takes the last second
            if self.began - self.since >= patience or self.alone():
                if self.unclaimed():
                    self.clear = self.last = now()
                    return True    # Patroni is asked once more, then it is taken
                if not self.warned:
                    say(f"cannot take {self.name}: another host answers for it on {self.interface}")
                self.warned = True
        return False

    def prepare(self):
        if self.address.is_ipv6:
            try:
                with open(f"/proc/sys/net/ipv6/conf/{self.interface}/ndisc_notify", "w", encoding="ascii") as file:
                    file.write("1\n")
            except OSError as why:
                say(f"other hosts may learn late that {self.name} has moved: {why}")
        try:
            found = self.address.find()
        except OSError:
            return
        if found and found[0] == Address.FOREVER:
            say(f"removed {self.name} from {self.interface}: it was there for good, and so not ours")
            self.address.delete()
        elif found and not found[1]:    # if this host does not lead, the first round gives it up
            self.held = self.settled = True
            self.renewed = now() - (LEASE - min(found[0], LEASE)) - 1
            say(f"{self.name} is on {self.interface} already: it goes on if this host leads")

    def run(self):
        self.prepare()
        self.last = now()
        while True:
            at_once = self.round()
            self.service.notify()
            if self.announcing and self.announcing.poll() is not None:
                self.announcing = None
            if not at_once:
                time.sleep(PAUSE)


def stop(number, frame):
    raise Stopped()


def main():
    if len(sys.argv) != 4:
        raise SystemExit(__doc__)
    try:
        keeper = Keeper(*sys.argv[1:])
    except (OSError, ValueError) as why:
        raise SystemExit(f"{sys.argv[0]}: {why}")
    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, stop)
    try:
        keeper.run()
    except Stopped:
        for one in (signal.SIGTERM, signal.SIGINT):
            signal.signal(one, signal.SIG_IGN)
        keeper.give_up("told to stop")


main()
