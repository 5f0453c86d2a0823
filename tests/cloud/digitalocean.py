"""DigitalOcean: load balancers, which are new for a while, and droplets in pages."""

import uuid

from mock import Mock, Refusal


class DigitalOcean(Mock):
    provider, specification = "digitalocean", "digitalocean"
    marked_by_name = True
    keys = {"do_api_token": "DIGITALOCEAN_ACCESS_TOKEN"}

    def __init__(self, hosts):
        super().__init__()
        self.token = "token-of-the-tests"
        self.env = {"DIGITALOCEAN_ACCESS_TOKEN": self.token}
        self.vpc, self.project = str(uuid.uuid4()), str(uuid.uuid4())
        self.spec = {"server_location": "fra1", "server_network": self.vpc}
        self.public = ["203.0.113.0/24", "198.51.100.7/32", "2001:db8::/32"]
        self.lbs = {}
        self.droplets = [{"id": 3000 + i, "name": name, "networks": {"v4": [{"ip_address": ip, "type": "private"}], "v6": []}, "vpc_uuid": self.vpc}
                         for i, (name, ip) in enumerate(hosts.items())]

    def authorized(self, request):
        return request.headers.get("Authorization") == f"Bearer {self.token}"

    def error(self, status, message, code=None):
        return {"id": "made", "message": message}

    def creates(self, method, path):
        return method == "POST" and path == "/v2/load_balancers"

    def names(self):
        return sorted(lb["name"].removesuffix(".pgcluster") for lb in self.lbs.values())

    def one(self, name):
        return next(lb for lb in self.lbs.values() if lb["name"] == name + ".pgcluster")

    def facts(self, name):
        lb = self.one(name)
        names = {one["id"]: one["name"] for one in self.droplets}
        return {"port": lb["forwarding_rules"][0]["entry_port"], "path": lb["health_check"]["path"], "public": lb["network"] == "EXTERNAL",
                "targets": sorted(names[one] for one in lb["droplet_ids"])}

    def allowed(self, name):
        return sorted(one.removeprefix("cidr:") for one in self.one(name)["firewall"]["allow"])

    def twin(self, name):
        """A droplet with the same address in another network."""
        one = next(one for one in self.droplets if one["name"] == name)
        self.droplets.insert(0, {**one, "id": 77, "name": "twin", "vpc_uuid": str(uuid.uuid4())})

    def drift(self, name):
        self.one(name)["health_check"]["path"] = "/patroni"
        self.one(name)["droplet_ids"].pop()

    def stranger(self, name):
        self.make({"name": name, "region": "fra1", "droplet_ids": [], "forwarding_rules": [{"entry_protocol": "tcp", "entry_port": 80, "target_protocol": "tcp", "target_port": 80}]})

    def make(self, body, number=None):
        number = number or str(uuid.uuid4())
        old = self.lbs.get(number, {})
        for one in body["droplet_ids"]:
            if one not in [droplet["id"] for droplet in self.droplets]:
                raise Refusal(422, self.error(422, f"droplet {one} not found"))
        network = body.get("network", "EXTERNAL")
        if old and (old["network"] != network or old["vpc_uuid"] != body.get("vpc_uuid", self.vpc)):
            raise Refusal(422, self.error(422, "network cannot be changed"))
        self.lbs[number] = {"size_unit": 1, "vpc_uuid": self.vpc, "firewall": {"allow": [], "deny": []}, "enable_proxy_protocol": False, "tag": "", "project_id": self.project,
                            "http_idle_timeout_seconds": 60, **body,
                            "network": network, "id": number, "status": old.get("status", "new"), "ip": old.get("ip", ""), "algorithm": "round_robin"}
        del self.lbs[number]["region"]
        return self.lbs[number]

    def page(self, all_of, key, query, every=2):
        page = int(query.get("page", ["1"])[0])
        some = all_of[(page - 1) * every:page * every]
        more = {"pages": {"next": f"{self.url}/?page={page + 1}"}} if page * every < len(all_of) else {}
        return 200, {key: some, "links": more, "meta": {"total": len(all_of)}}

    def answer(self, method, path, query, body, request):
        parts = path.strip("/").split("/")[1:]
        if parts == ["droplets"]:
            return self.page([self.api.complete("droplet", dict(one)) for one in self.droplets], "droplets", query)
        if len(parts) == 1 and method == "GET":
            seen = [dict(lb) for lb in self.lbs.values()]
            for lb in self.lbs.values():    # at the next look it is there
                lb.update(status="active", ip="203.0.113.9" if lb["network"] == "EXTERNAL" else "10.0.0.9")
            return self.page(seen, "load_balancers", query)
        if len(parts) == 1:
            return 202, {"load_balancer": self.make(body)}
        if parts[1] not in self.lbs:
            raise Refusal(404, self.error(404, "not found"))
        if method == "DELETE":
            del self.lbs[parts[1]]
            return 204, None
        return 200, {"load_balancer": self.make(body, parts[1])}
