"""What is sent to each vendor, word for word: tests/cases/cloud/PROVIDER/CASE.json. PGCLUSTER_ACCEPT=1 writes what was sent; read it against the vendor's documentation."""

import json
import os
import re

from conftest import HOSTS, SOURCE


def settled(mock, requests):
    """Without what is another each time: ids that the cloud or chance gives."""
    text = json.dumps([one for one in requests if not mock.reads(one)], indent=1)
    text = text.replace(mock.endpoint, "https://cloud")
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "UUID", text)
    seen = {}
    return re.sub(r"\b(arn:aws:[\w:-]+/[\w/-]+/[0-9a-f]{8,}(?:/[0-9a-f]{8,})?|(?:i|sg|vpc|subnet)-[0-9a-f]{8,})",
                  lambda found: seen.setdefault(found[0], f"{re.split('[:-]', found[0])[0]}-{len(seen) + 1}"), text) + "\n"


def test_requests_are_as_recorded(cloud):
    mock, differ = cloud.mock, []

    def case(name, what, **changes):
        begun = len(mock.requests)
        done = cloud.run(what, **changes)
        assert done.status == 0, done.documents
        sent, file = settled(mock, mock.requests[begun:]), SOURCE / f"tests/cases/cloud/{mock.provider}/{name}.json"
        if os.environ.get("PGCLUSTER_ACCEPT") == "1":
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(sent)
        elif not file.exists() or file.read_text() != sent:
            differ.append(f"{file}:\n{sent}")

    case("create", "apply")
    case("port", "apply", pgbouncer_listen_port=6543)
    case("hosts", "apply", hosts={name: {"address": HOSTS[name]} for name in ("pg1", "pg2", "pg4")})
    case("public", "apply", database_public_access=True, database_public_allowed_ips=mock.public)
    case("destroy", "destroy")
    assert not differ, "\n".join(differ)
