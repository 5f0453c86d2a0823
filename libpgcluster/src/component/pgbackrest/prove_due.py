#!/usr/bin/python3 -IS
# Written by pgcluster. Proves the newest backup in a repository when that is due: REPOSITORY STANZA MEMBER URL [AUTHORITY]. Each database host begins this at the
# same time. One of them goes on: the first replica that streams, by name; where there is none, the leader. URL is that of its Patroni. What was found is added
# to /var/lib/pgcluster/proven-repoREPOSITORY: "LABEL TIME SECONDS WORDS".
import json
import os
import ssl
import subprocess
import sys
import urllib.request

repository, stanza, member, url = sys.argv[1:5]
authority = sys.argv[5] if len(sys.argv) > 5 else None
progress, kept, most_kept = "/var/lib/pgcluster/prove.progress", f"/var/lib/pgcluster/proven-repo{repository}", 50


def chosen():
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=authority)))
    with opener.open(url + "/cluster", timeout=10) as answer:
        members = json.load(answer)["members"]
    leaders = [one["name"] for one in members if one["role"] in ("leader", "standby_leader")]
    replicas = [one["name"] for one in members if one["name"] not in leaders and one["state"] in ("running", "streaming", "in archive recovery")]
    return min(replicas or leaders, default=None)


def newest():
    asked = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "pgbackrest", f"--stanza={stanza}", f"--repo={repository}", "--output=json", "info"]
    found = json.loads(subprocess.run(asked, check=True, stdout=subprocess.PIPE).stdout)
    labels = [backup["label"] for one in found for backup in one["backup"] if not backup.get("error")]
    return labels[-1] if labels else None


def said():
    """"STATE LABEL TIME SECONDS WORDS", in five words."""
    try:
        with open(progress) as file:
            return [*file.readline().split(maxsplit=4), "", "", "", "", ""][:5]
    except FileNotFoundError:
        return [""] * 5


def keep(line):
    try:
        with open(kept) as file:
            lines = [one for one in file if one.split(maxsplit=1)[0] != line.split()[0]]
    except FileNotFoundError:
        lines = []
    with open(kept + ".new", "w") as file:
        file.writelines([*lines[-(most_kept - 1):], line])
    os.rename(kept + ".new", kept)


def main():
    prover = chosen()
    if prover != member:
        print(f"{prover} proves it")
        return 0
    label = newest()
    if not label:
        sys.exit(f"there is no backup in repository {repository} that could be proven")
    before = said()
    subprocess.run(["systemctl", "start", f"pgcluster-prove-repo{repository}@{label}.service"], check=False)
    now = said()
    state, what, since, took, words = now
    if now == before or what != label or state not in ("proven", "failed"):
        sys.exit(f"the backup {label} could not be tried: {words.strip() or 'it did not begin'}")
    result = "ok" if state == "proven" else words.strip()
    keep(f"{label} {since} {took} {result}\n")
    print(f"{label}: {result}")
    return 0 if state == "proven" else 1


sys.exit(main())
