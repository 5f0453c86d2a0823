"""No password in an argv, a journal, a log, an event, a plan's document, or a file that others can read."""

import secrets
import subprocess
import threading

from cluster import LAB

warm = True

# Every argv that there is on the machine while the cluster is deployed; hosts and controller share its kernel.
WATCH = "for f in /proc/[0-9]*/cmdline /proc/[0-9]*/environ; do cat $f 2>/dev/null; echo; done"


def test_passwords_are_nowhere_to_be_seen(cluster):
    given = "given" + secrets.token_hex(12)
    cluster.write(postgresql_users=[{"name": "app", "flags": "LOGIN", "password": given}, {"name": "other", "flags": "LOGIN"}])
    document, log = cluster.folder / "plan.json", cluster.folder / "apply.log"
    planned = cluster.run("plan", "--json", "--diff", "--out", str(document)).stdout
    seen = []
    end = threading.Event()

    def watch():
        while not end.is_set():
            seen.append(subprocess.run(["bash", "-c", WATCH.replace(" /proc/[0-9]*/environ", "")], capture_output=True, errors="replace", text=True).stdout.replace("\0", " "))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        applied = cluster.apply("--json", "--log", str(log))
    finally:
        end.set()
        watcher.join()
    cluster.wait_healthy()
    words = {role: cluster.password(role) for role in ["superuser", "replication", "restapi", "pgbouncer", "app", "other"]}
    assert words["app"] == given and all(len(word) >= 20 for word in words.values()) and len(set(words.values())) == 6
    places = {"argv": "\n".join(seen), "plan": planned, "document": document.read_text(), "events": applied.stdout, "progress": applied.stderr, "log": log.read_text()}
    assert any("apply --yes" in text for text in seen), "the watcher has seen nothing"
    for host in cluster.hosts:
        places[f"journal of {host}"] = cluster.inside(host, "journalctl --sync; journalctl --no-pager -o cat; cat /var/log/postgresql/* /var/lib/postgresql/17/main/log/* 2>/dev/null", check=False)
    for where, text in places.items():
        for role, word in words.items():
            assert word not in text, f"the password of {role} stands in {where}"
    for host in cluster.hosts:
        for role, word in words.items():
            files = subprocess.run([LAB, "-n", cluster.name, "exec", host, "grep", "-rslF", "-f", "-", "/etc", "/var/lib", "/run", "/tmp", "/root", "/usr/local", "/var/log"],
                                   input=word + "\n", capture_output=True, text=True).stdout.split()
            assert files or role == "app", f"the search of {host} does not even find where the password of {role} is kept"
            readable = cluster.inside(host, "find " + " ".join(files) + " -perm /004") if files else ""
            # A file that others could read is safe below a folder that they cannot enter.
            open_to_others = [path for path in readable.split() if cluster.inside(host, f"runuser -u nobody -- cat {path} >/dev/null 2>&1 && echo yes || true") == "yes"]
            assert not open_to_others, f"{host}: others can read the password of {role} in {open_to_others}"
    assert cluster.psql("10.77.0.11", "select 1", user="app", database="app") == "1"
