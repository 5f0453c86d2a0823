"""Google's Compute Engine: regional load balancers, whose changes are operations; a token for a signed claim; ids that make a repeated request one."""

import base64
import json
import tempfile
import time
import urllib.parse
import uuid

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from mock import Mock, Refusal

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
REGION = "europe-west3"


class Gcp(Mock):
    provider, specification, prefix = "gcp", "gcp", "/compute/v1"

    impact_of_a_port = "outage"    # a forwarding rule is made anew
    keys = {"gcp_service_account_contents": "GCP_SERVICE_ACCOUNT_CONTENTS"}

    def __init__(self, hosts):
        super().__init__()
        self.project = "tests"
        pem = KEY.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()
        host = self.url.removesuffix(self.prefix)
        account = {"type": "service_account", "project_id": self.project, "client_email": "tests@example.org", "private_key": pem, "token_uri": host + "/token"}
        self.file = tempfile.NamedTemporaryFile("w", suffix=".json")
        json.dump(account, self.file)
        self.file.flush()
        self.env = {"GOOGLE_APPLICATION_CREDENTIALS": self.file.name}
        self.account, self.token = account, "token-of-the-tests"
        self.spec = {"server_location": f"{REGION}-a,{REGION}-b", "server_network": "net/sub"}
        self.public = ["203.0.113.0/24", "2001:db8::/32"]
        self.things, self.groups, self.operations, self.ids = {}, {}, {}, {}
        self.instances = {}
        for i, (name, ip) in enumerate(hosts.items()):
            zone = REGION + "-" + "ab"[i % 2]
            self.instances[self.link(f"zones/{zone}/instances/{name}")] = {"id": str(900 + i), "name": name, "zone": zone,
                                                                                "networkInterfaces": [{"networkIP": ip, "network": self.link("global/networks/net")}]}

    @property
    def endpoint(self):
        return self.url.removesuffix(self.prefix)

    def link(self, path):
        return f"{self.url}/projects/{self.project}/{path}"

    def error(self, status, message, code=None):
        return {"error": {"code": status, "message": message, "errors": [{"message": message, "reason": code or "made"}]}}

    def credential(self, variable):
        return json.dumps(self.account)

    def secrets(self):
        return [self.token, self.account["private_key"].splitlines()[1]]

    def authorized(self, request):
        return request.path.startswith("/token") or request.headers.get("Authorization") == f"Bearer {self.token}"

    def creates(self, method, path):
        return method == "POST" and path.endswith("/forwardingRules")

    def reads(self, one):
        return one["method"] == "GET" or one["path"].endswith("/listInstances")

    def served(self, request, path, query, text):
        if path == "/token":
            return 200, self.give_token(dict(urllib.parse.parse_qsl(text))), {}
        return super().served(request, path, query, text)

    def give_token(self, form):
        head, claims, signature = form["assertion"].split(".")
        decoded = [base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in (head, claims, signature)]
        said = json.loads(decoded[1])
        try:
            KEY.public_key().verify(decoded[2], f"{head}.{claims}".encode(), padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            self.violations.append("the assertion's signature is wrong")
        if (json.loads(decoded[0]) != {"alg": "RS256", "typ": "JWT"} or form["grant_type"] != "urn:ietf:params:oauth:grant-type:jwt-bearer"
                or said["iss"] != self.account["client_email"] or said["aud"] != self.account["token_uri"] or abs(said["iat"] - time.time()) > 300
                or said["exp"] - said["iat"] > 3600 or said["scope"] != "https://www.googleapis.com/auth/compute"):
            self.violations.append(f"the assertion is wrong: {said}")
        return {"access_token": self.token, "expires_in": 3599, "token_type": "Bearer"}

    def names(self):
        return sorted(path.rsplit("/", 1)[1] for path in self.things if "/forwardingRules/" in path)

    def remains(self):
        return sorted(self.things)

    def thing(self, of, name):
        return self.things[f"regions/{REGION}/{of}/{name}"]

    def facts(self, name):
        rule, service = self.thing("forwardingRules", name), self.thing("backendServices", name)
        check = self.things[service["healthChecks"][0].split(f"/{self.project}/")[1]]
        members = [one for backend in service["backends"] for one in self.groups[backend["group"].split(f"/{self.project}/")[1]]]
        return {"port": int(rule["ports"][0]), "path": (check.get("httpsHealthCheck") or check["httpHealthCheck"])["requestPath"], "public": rule["loadBalancingScheme"] == "EXTERNAL",
                "targets": sorted(self.instances[one]["name"] for one in members)}

    def allowed(self, name):
        return sorted(self.things[f"global/firewalls/{name}-clients"]["sourceRanges"])

    def twin(self, name):
        """An instance with the same address in another network."""
        one = next(one for one in self.instances.values() if one["name"] == name)
        made = {**one, "id": "77", "name": "twin", "networkInterfaces": [{**one["networkInterfaces"][0], "network": self.link("global/networks/other")}]}
        self.instances = {self.link(f"zones/{one['zone']}/instances/twin"): made, **self.instances}

    def drift(self, name):
        check = self.thing("healthChecks", name)
        (check.get("httpsHealthCheck") or check["httpHealthCheck"])["requestPath"] = "/patroni"
        self.thing("backendServices", name)["backends"].pop()

    def stranger(self, name):
        self.things[f"regions/{REGION}/forwardingRules/{name}"] = {"name": name, "loadBalancingScheme": "INTERNAL", "ports": ["80"], "IPAddress": "10.0.0.77"}

    def operation(self, scope, target, error=None):
        name = "operation-" + uuid.uuid4().hex
        self.operations[name] = {"name": name, "status": "RUNNING", "targetLink": target, "kind": "compute#operation", "id": str(len(self.operations) + 1)}
        if error:
            self.operations[name]["error"] = {"errors": [error]}
        return dict(self.operations[name])

    def refuse(self, status, message):
        raise Refusal(status, self.error(status, message))

    def answer(self, method, path, query, body, request):
        path = path.removeprefix(f"/projects/{self.project}/")
        parts = path.split("/")
        given = query.get("requestId", [None])[0]
        if given:
            uuid.UUID(given)
            if given in self.ids:
                return 200, self.ids[given]
        answer = self.change(method, path, parts, query, body)
        if given:
            self.ids[given] = answer
        return 200, answer

    def change(self, method, path, parts, query, body):
        scope = "/".join(parts[:1 if parts[0] == "global" else 2])
        if "/operations/" in path:
            operation = self.operations[parts[-1]]
            operation["status"] = "DONE"
            return operation
        if parts[0] == "zones" and parts[2] == "instances":    # one on a page
            all_of = [{**one, "selfLink": link} for link, one in self.instances.items() if one["zone"] == parts[1]]
            at = int(query.get("pageToken", ["0"])[0])
            return {"items": all_of[at:at + 1], **({"nextPageToken": str(at + 1)} if at + 1 < len(all_of) else {})}
        if parts[-1] in ("addInstances", "removeInstances", "listInstances"):
            group = self.groups.get("/".join(parts[:-1]))
            if group is None:
                self.refuse(404, "no such group")
            if parts[-1] == "listInstances":
                return {"items": [{"instance": one, "status": "RUNNING"} for one in group]}
            for one in (entry["instance"] for entry in body["instances"]):
                if parts[-1] == "addInstances":
                    if one not in self.instances or one in group:
                        self.refuse(400, f"{one} is not there, or already a member")
                    group.append(one)
                else:
                    group.remove(one)
            return self.operation(scope, path)
        if method == "POST" and "labels" in body:
            self.refuse(400, "labels are set by setLabels only")
        if len({":" in one for one in (body or {}).get("sourceRanges", [])}) > 1:
            self.refuse(400, "sourceRanges of both families")
        if method == "POST":
            target = f"{path}/{body['name']}"
            if target in self.things:
                self.refuse(409, f"{target} already exists")
            for wanted in [*body.get("healthChecks", []), *([body["backendService"]] if "backendService" in body else []), *(one["group"] for one in body.get("backends", []))]:
                if wanted.split(f"/{self.project}/")[1] not in self.things:
                    self.refuse(400, f"{wanted} not found")
            self.things[target] = {**body, "selfLink": self.link(target)}
            if "/backendServices" in path or "/instanceGroups" in path:
                self.things[target]["fingerprint"] = base64.b64encode(b"one").decode()
            if "/instanceGroups" in path:
                self.groups[target] = []
            if "/forwardingRules" in path:
                self.things[target]["IPAddress"] = "203.0.113.8" if body["loadBalancingScheme"] == "EXTERNAL" else "10.0.0.88"
            return self.operation(scope, target)
        if path not in self.things:
            self.refuse(404, f"{path} was not found")
        if method == "GET":
            return self.things[path]
        if method == "PATCH":
            if "backendServices" in path and body.get("fingerprint") != self.things[path]["fingerprint"]:
                self.refuse(412, "another fingerprint")
            if "loadBalancingScheme" in body and body["loadBalancingScheme"] != self.things[path]["loadBalancingScheme"]:
                self.refuse(400, "the scheme cannot be changed")
            self.things[path].update({key: value for key, value in body.items() if key != "fingerprint"})
            return self.operation(scope, path)
        uses = [one for name, one in self.things.items() if name != path and (
            any(link.endswith("/" + path) for link in [*one.get("healthChecks", []), one.get("backendService", ""), *(b["group"] for b in one.get("backends", []))]))]
        if uses:
            return self.operation(scope, path, {"code": "RESOURCE_IN_USE_BY_ANOTHER_RESOURCE", "message": f"{path} is in use"})
        del self.things[path]
        self.groups.pop(path, None)
        return self.operation(scope, path)
