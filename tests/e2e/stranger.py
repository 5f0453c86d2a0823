"""A stranger in the network: finds every TCP port that answers, and tries each in the clear, with TLS, and with a certificate of another authority.

usage: stranger.py CERTIFICATE KEY ADDRESS...     the certificate is of an authority that nobody trusts; prints JSON: {address: {port: {way: answer}}}
"""

import concurrent.futures
import json
import socket
import ssl
import struct
import sys

PATIENCE = 3      # s, for one answer
ATTEMPTS = 16     # connections at a time


def is_open(address, port):
    """Whether the port accepts a connection. One that a client opens to itself by chance, from the port that it tries, does not count."""
    for attempt in range(3):
        with socket.socket() as client:
            client.settimeout(PATIENCE)
            try:
                client.connect((address, port))
            except TimeoutError:
                continue    # a busy machine; a closed port refuses at once
            except OSError:
                return False
            return client.getsockname()[1] != port
    return False


def open_ports(address):
    with concurrent.futures.ThreadPoolExecutor(ATTEMPTS) as pool:
        parts = pool.map(lambda first: [port for port in range(max(first, 1), first + 256) if is_open(address, port)], range(0, 65536, 256))
        return [port for part in parts for port in part]


def startup(user):
    words = b"user\0" + user + b"\0database\0postgres\0\0"
    return struct.pack("!ii", len(words) + 8, 196608) + words


def said_by_postgresql(answer):
    """What a server of PostgreSQL's protocol answers to a startup packet."""
    if answer[:1] == b"E":
        fields = [one[1:].decode("utf-8", "replace") for one in answer[5:].split(b"\0") if one[:1] == b"M"]
        return "refuses: " + " ".join(fields)
    if answer[:1] == b"R" and len(answer) >= 9:
        kind = struct.unpack("!i", answer[5:9])[0]
        return {0: "LETS IN", 3: "ASKS FOR A PASSWORD IN THE CLEAR", 5: "asks for a password (md5)", 10: "asks for a password (SCRAM)"}.get(kind, f"asks for authentication {kind}")
    return None


def said_by_http(answer):
    if not answer.startswith(b"HTTP/"):
        return None
    status = answer.split(None, 2)[1].decode()
    return f"HTTP {status}"


def exchange(connection, question):
    """All that comes back within the time, at most 4 kB; None where the other side closes without a word."""
    connection.settimeout(PATIENCE)
    answer = b""
    try:
        if question:
            connection.sendall(question)
        while len(answer) < 4096:
            part = connection.recv(4096)
            if not part:
                break
            answer += part
            if said_by_postgresql(answer) or b"\r\n\r\n" in answer or not question:
                break
    except (OSError, ssl.SSLError) as why:
        if not answer:
            return None if isinstance(why, (ConnectionError, ssl.SSLError)) else b""
    return answer or None


def connected(address, port):
    return socket.create_connection((address, port), PATIENCE)


GET = b"GET / HTTP/1.0\r\nHost: stranger\r\n\r\n"


def speaks_postgresql(address, port):
    with connected(address, port) as connection:
        return exchange(connection, struct.pack("!ii", 8, 80877103)) in (b"S", b"N")


def in_the_clear(address, port, postgresql):
    with connected(address, port) as connection:
        if postgresql:
            return said_by_postgresql(exchange(connection, startup(b"postgres")) or b"") or "closes"
        answer = exchange(connection, GET)
    if answer and answer.startswith(b"SSH-"):
        return "SSH"
    if answer and answer.startswith(b"\n\x00\x00"):    # memberlist's mark of an encrypted message
        return "an encrypted message of the gossip"
    if answer and said_by_http(answer):
        return said_by_http(answer) + (" (it wants TLS)" if b"HTTPS server" in answer or b"HTTPS port" in answer else "")
    return "says nothing" if answer == b"" else "closes" if answer is None else f"says {answer[:30]!r}"


def with_tls(address, port, postgresql, certificate=None):
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE    # the stranger takes any server
    if certificate:
        context.load_cert_chain(*certificate)
    try:
        with connected(address, port) as plain:
            plain.settimeout(PATIENCE)
            if postgresql and exchange(plain, struct.pack("!ii", 8, 80877103)) != b"S":
                return "no TLS"
            with context.wrap_socket(plain, server_hostname="stranger") as connection:
                version = connection.version()
                answer = exchange(connection, startup(b"postgres") if postgresql else GET)
    except (ssl.SSLEOFError, ssl.SSLZeroReturnError):    # closed without an alert: nobody there looks at a certificate
        return "closes"
    except ssl.SSLError as why:
        return "no TLS" if "WRONG_VERSION" in str(why) or "RECORD_LAYER" in str(why) else "refuses the certificate" if certificate else "wants a certificate"
    except OSError:
        return "closes"
    if answer is None:    # TLS 1.3: a server tells only now that it wants another certificate
        return "refuses the certificate" if certificate else "wants a certificate"
    said = said_by_postgresql(answer) if postgresql else said_by_http(answer)
    return f"{said or 'says nothing'} ({version})"


def main():
    certificate = sys.argv[1:3]
    found = {}
    for address in sys.argv[3:]:
        found[address] = {}
        for port in open_ports(address):
            postgresql = speaks_postgresql(address, port)
            found[address][port] = {"clear": in_the_clear(address, port, postgresql), "tls": with_tls(address, port, postgresql),
                                    "stranger": with_tls(address, port, postgresql, certificate)}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
