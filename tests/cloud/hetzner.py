"""Hetzner Cloud: load balancers with their actions, servers in pages, networks."""

import ipaddress

from mock import Mock, Refusal


class Hetzner(Mock):
    prefix, specification = "/v1", "hetzner"
    provider = "hetzner"
    keys = {"hcloud_api_token": "HCLOUD_TOKEN"}

    def __init__(self, hosts):
        super().__init__()
        self.token = "token-of-the-tests"
        self.env = {"HCLOUD_TOKEN": self.token}
        self.lbs, self.actions, self.next = {}, {}, 100
        self.servers = [{"id": 40 + i, "name": name, "private_net": [{"network": 7, "ip": ip}], "public_net": {"ipv4": {"ip": f"203.0.113.{i}"}}}
                        for i, (name, ip) in enumerate(hosts.items(), 1)]
        self.networks = [{"id": 7, "name": "private", "ip_range": "10.0.0.0/8", "servers": []}]
        self.spec = {"server_location": "fsn1", "server_network": "private"}
        self.public = ["0.0.0.0/0", "::/0"]

    def authorized(self, request):
        return request.headers.get("Authorization") == f"Bearer {self.token}"

    def creates(self, method, path):
        return method == "POST" and path == "/load_balancers"

    def names(self):
        return sorted(lb["name"] for lb in self.lbs.values())

    def one(self, name):
        return next(lb for lb in self.lbs.values() if lb["name"] == name)

    def facts(self, name):
        """Of a balancer, what the tests look at."""
        lb = self.one(name)
        service = lb["services"][0]
        ids = {server["id"]: server["name"] for server in self.servers}
        return {"port": service["listen_port"], "path": service["health_check"]["http"]["path"], "public": lb["public_net"]["enabled"],
                "targets": sorted(ids[target["server"]["id"]] for target in lb["targets"])}

    def allowed(self, name):
        return ["0.0.0.0/0", "::/0"]    # nothing could hold others

    def twin(self, name):
        """A server with the same address in another network."""
        one = next(one for one in self.servers if one["name"] == name)
        self.servers.insert(0, {**one, "id": 77, "name": "twin", "private_net": [{**one["private_net"][0], "network": 8}], "public_net": {"ipv4": {"ip": "203.0.113.77"}}})

    def drift(self, name):
        """By hand, in the console."""
        service = self.one(name)["services"][0]
        service["health_check"]["http"]["path"] = "/patroni"
        self.one(name)["targets"].pop()

    def stranger(self, name):
        self.make({"name": name, "load_balancer_type": "lb11", "location": "fsn1"})

    def id(self):
        self.next += 1
        return self.next

    def begin(self, command):
        """An action that runs at first, and has succeeded a look later."""
        number = self.id()
        self.actions[number] = self.api.complete("action", {"id": number, "command": command, "status": "running", "started": "2026-01-01T00:00:00Z"})
        return dict(self.actions[number])

    def make(self, body):
        if any(lb["name"] == body["name"] for lb in self.lbs.values()):
            raise Refusal(409, {"error": {"code": "uniqueness_error", "message": "name is already used"}})
        number = self.id()
        lb = self.api.complete("load_balancer", {
            "id": number, "name": body["name"], "algorithm": body.get("algorithm", {"type": "round_robin"}), "labels": body.get("labels", {}),
            "services": body.get("services", []), "targets": [], "protection": {"delete": False},
            "location": {"name": body.get("location", "fsn1"), "network_zone": "eu-central"}, "created": "2026-01-01T00:00:00Z",
            "load_balancer_type": {"name": body["load_balancer_type"]}, "private_net": [],
            "public_net": {"enabled": body.get("public_interface", True), "ipv4": {"ip": f"198.51.100.{number % 250}"}, "ipv6": {"ip": "2001:db8::1"}}})
        self.lbs[number] = lb
        if "network" in body:
            self.attach(lb, body["network"])
        for target in body.get("targets", []):
            self.add_target(lb, target)
        return lb

    def attach(self, lb, network):
        if network not in [one["id"] for one in self.networks]:
            raise Refusal(404, {"error": {"code": "not_found", "message": "network not found"}})
        lb["private_net"] = [{"network": network, "ip": str(ipaddress.ip_address("10.0.0.100") + len(self.lbs))}]

    def add_target(self, lb, target):
        if target["server"]["id"] not in [one["id"] for one in self.servers]:
            raise Refusal(422, {"error": {"code": "invalid_input", "message": "server not found"}})
        if target.get("use_private_ip") and not lb["private_net"]:
            raise Refusal(422, {"error": {"code": "load_balancer_not_attached_to_network", "message": "attach it to a network first"}})
        if target["server"] in [one["server"] for one in lb["targets"]]:
            raise Refusal(422, {"error": {"code": "target_already_defined", "message": "target is there already"}})
        lb["targets"].append({"type": "server", "server": target["server"], "use_private_ip": target.get("use_private_ip", False)})

    def answer(self, method, path, query, body, request):
        parts = path.strip("/").split("/")
        if parts[0] == "servers":  # two on a page, so that there are several
            page, every = int(query.get("page", ["1"])[0]), 2
            some = self.servers[(page - 1) * every:page * every]
            more = page + 1 if page * every < len(self.servers) else None
            return 200, {"servers": [self.api.complete("server", dict(one)) for one in some],
                         "meta": {"pagination": {"page": page, "per_page": every, "previous_page": None, "next_page": more, "last_page": None, "total_entries": None}}}
        meta = {"pagination": {"page": 1, "per_page": 25, "previous_page": None, "next_page": None, "last_page": 1, "total_entries": 1}}
        if parts[0] == "networks":
            return 200, {"networks": [self.api.complete("network", dict(one)) for one in self.networks if one["name"] in query.get("name", [one["name"]])], "meta": meta}
        if parts[0] == "actions":
            action = self.actions[int(parts[1])]
            action.update(status="success", progress=100, finished="2026-01-01T00:00:01Z")
            return 200, {"action": action}
        if len(parts) == 1 and method == "GET":
            return 200, {"load_balancers": [lb for lb in self.lbs.values() if lb["name"] in query.get("name", [lb["name"]])], "meta": meta}
        if len(parts) == 1:
            return 201, {"load_balancer": self.make(body), "action": self.begin("create_load_balancer")}
        lb = self.lbs.get(int(parts[1]))
        if lb is None:
            raise Refusal(404, {"error": {"code": "not_found", "message": "load balancer not found"}})
        if method == "DELETE":
            if lb["protection"]["delete"]:
                raise Refusal(423, {"error": {"code": "protected", "message": "load balancer is protected"}})
            del self.lbs[lb["id"]]
            return 204, None
        getattr(self, "do_" + parts[3])(lb, body)
        return 201, {"action": self.begin(parts[3])}

    def do_add_service(self, lb, body):
        lb["services"].append(body)

    def do_update_service(self, lb, body):
        service = next(one for one in lb["services"] if one["listen_port"] == body["listen_port"])
        service.update(body)

    def do_delete_service(self, lb, body):
        lb["services"] = [one for one in lb["services"] if one["listen_port"] != body["listen_port"]]

    def do_add_target(self, lb, body):
        self.add_target(lb, body)

    def do_remove_target(self, lb, body):
        lb["targets"] = [one for one in lb["targets"] if one.get("server") != body.get("server")]

    def do_attach_to_network(self, lb, body):
        self.attach(lb, body["network"])

    def do_detach_from_network(self, lb, body):
        if any(one["use_private_ip"] for one in lb["targets"]):
            raise Refusal(422, {"error": {"code": "targets_without_use_private_ip", "message": "targets use it"}})
        lb["private_net"] = []

    def do_enable_public_interface(self, lb, body):
        lb["public_net"]["enabled"] = True

    def do_disable_public_interface(self, lb, body):
        lb["public_net"]["enabled"] = False

    def do_change_type(self, lb, body):
        lb["load_balancer_type"]["name"] = body["load_balancer_type"]

    def do_change_algorithm(self, lb, body):
        lb["algorithm"] = {"type": body["type"]}

    def do_change_protection(self, lb, body):
        lb["protection"]["delete"] = body["delete"]
