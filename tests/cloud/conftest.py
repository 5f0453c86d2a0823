"""The clouds of the tests: each a server on loopback, and a way to have a spec's balancers planned and applied there."""

import datetime
import ipaddress
import json
import os
import pathlib
import re
import socket
import ssl
import subprocess
import threading

import pytest
from aws import Aws
from azure import Azure
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from digitalocean import DigitalOcean
from gcp import Gcp
from hetzner import Hetzner

SOURCE = pathlib.Path(__file__).resolve().parents[2]
DRIVER = os.environ.get("PGCLUSTER_CLOUD_DRIVER", str(SOURCE / "build/release/tests/cloud/cloud_driver"))
HOSTS = {"pg1": "10.0.0.11", "pg2": "10.0.0.12", "pg3": "10.0.0.13", "pg4": "10.0.0.14"}
CLOUDS = {"hetzner": Hetzner, "aws": Aws, "digitalocean": DigitalOcean, "gcp": Gcp, "azure": Azure}


class Ran:
    def __init__(self, done):
        self.status, self.err = done.returncode, done.stderr
        self.documents, rest = [], done.stdout.strip()
        while rest:
            document, end = json.JSONDecoder().raw_decode(rest)
            self.documents.append(document)
            rest = rest[end:].strip()
        self.waits = [int(line.split()[1]) for line in done.stderr.splitlines() if line.startswith("wait ")]

    @property
    def plan(self):
        return self.documents[0]

    @property
    def changes(self):
        return {change["id"].removeprefix("cluster/cloud/"): change for change in self.plan["changes"]}

    @property
    def errors(self):
        """Of a plan that could not be made, or of an apply that failed."""
        if "error" in self.documents[-1]:
            return [self.documents[-1]["error"]]
        return self.documents[-1]["failures"]


class World:
    """A cloud, and a spec for it."""

    def __init__(self, mock, folder):
        self.mock, self.file = mock, folder / "cluster.yaml"
        self.spec = {"patroni_cluster_name": "demo", "cloud_provider": mock.provider, "cloud_api_endpoint": mock.endpoint, **mock.spec,
                     "hosts": {name: {"address": ip} for name, ip in list(HOSTS.items())[:3]}}

    def write(self):
        text = json.dumps({key: value for key, value in self.spec.items() if value is not None})
        self.file.write_text(re.sub(r'"(!(?:env|file) [^"]*)"', r"\1", text))    # YAML's tags
        return self.file

    def environment(self, env=None):
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "AZURE_", "HCLOUD_", "DIGITALOCEAN_", "GOOGLE_", "PGCLUSTER_CLOUD_"))}
        clean.update(self.mock.env if env is None else env)
        return clean

    def no_secrets(self, text):
        for secret in self.mock.secrets():
            assert secret not in text

    def run(self, what, timeout=None, env=None, **changes):
        self.spec.update(changes)
        clean = self.environment(env)
        if timeout:
            clean["PGCLUSTER_CLOUD_TIMEOUT"] = str(timeout)
        done = Ran(subprocess.run([DRIVER, what, self.write()], capture_output=True, text=True, timeout=120, env=clean))
        self.no_secrets(json.dumps(done.documents) + done.err)
        return done

    def nothing_was_changed(self):
        assert [one for one in self.mock.requests if not self.mock.reads(one)] == []

    def apply(self, **changes):
        done = self.run("apply", **changes)
        assert done.status == 0, (done.documents, self.mock.violations)
        return done

    def plan(self, **changes):
        done = self.run("plan", **changes)
        assert done.status == 0, (done.documents, self.mock.violations)
        return done


class SelfSigned:
    """Speaks TLS for itself, with nobody to vouch for it, and notes what it hears."""

    def __init__(self, folder):
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
        now = datetime.datetime.now(datetime.timezone.utc)
        made = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
                .not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=1))
                .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False).sign(key, hashes.SHA256()))
        pem = serialization.Encoding.PEM
        file = folder / "self-signed.pem"
        file.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()) + made.public_bytes(pem))
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(file)
        self.heard = []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.name = f"127.0.0.1:{self.socket.getsockname()[1]}"
        self.url = "https://" + self.name
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            try:
                with self.context.wrap_socket(connection, server_side=True) as inside:
                    if heard := inside.recv(1000):
                        self.heard.append(heard)
            except OSError:    # who called does not trust us
                connection.close()


@pytest.fixture
def self_signed(tmp_path):
    server = SelfSigned(tmp_path)
    yield server
    server.socket.close()


@pytest.fixture(params=CLOUDS)
def cloud(request, tmp_path):
    mock = CLOUDS[request.param](HOSTS)
    yield World(mock, tmp_path)
    mock.close()
    assert not mock.violations, mock.violations
