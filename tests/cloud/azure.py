"""Azure: resources that are put whole and carried out afterwards; a token for client credentials; a public balancer's allow list in a security group."""

import copy
import urllib.parse

from mock import Mock, Refusal

SCOPE = "/subscriptions/sub-1/resourceGroups/servers/providers/Microsoft.Network/"


class Azure(Mock):
    provider, specification = "azure", "azure"
    keys = {"azure_client_id": "AZURE_CLIENT_ID", "azure_secret": "AZURE_CLIENT_SECRET", "azure_tenant": "AZURE_TENANT_ID", "azure_subscription_id": "AZURE_SUBSCRIPTION_ID"}
    knows_hosts = False    # any address of the network will do

    def __init__(self, hosts):
        super().__init__()
        self.token, self.secret = "token-of-the-tests", "token-of-the-tests-azure+secret"
        self.env = {"AZURE_CLIENT_ID": "client-1", "AZURE_CLIENT_SECRET": self.secret, "AZURE_TENANT_ID": "tenant-1", "AZURE_SUBSCRIPTION_ID": "sub-1"}
        self.spec = {"server_location": "germanywestcentral", "server_network": "net/sub", "azure_resource_group": "servers", "azure_network_security_group": "hosts"}
        self.public = ["203.0.113.0/24", "198.51.100.7/32", "2001:db8::/32"]
        self.hosts = {ip: name for name, ip in hosts.items()}
        self.things = {SCOPE + "virtualNetworks/net": {"name": "net", "properties": {"provisioningState": "Succeeded", "subnets": [{"name": "sub"}]}},
                       SCOPE + "networkSecurityGroups/hosts": {"name": "hosts", "properties": {"provisioningState": "Succeeded", "securityRules": [
            {"name": "ssh", "properties": {"priority": 1000, "direction": "Inbound", "access": "Allow", "protocol": "Tcp"}}]}}}
        self.before = set(self.things)

    def authorized(self, request):
        return request.path.endswith("/oauth2/v2.0/token") or request.headers.get("Authorization") == f"Bearer {self.token}"

    def creates(self, method, path):
        return method == "PUT" and "/loadBalancers/" in path

    def served(self, request, path, query, text):
        if path.endswith("/oauth2/v2.0/token"):
            form = dict(urllib.parse.parse_qsl(text))
            wanted = {"grant_type": "client_credentials", "client_id": "client-1", "client_secret": self.secret, "scope": "https://management.azure.com/.default"}
            if path != "/tenant-1/oauth2/v2.0/token" or form != wanted:
                self.violations.append("the request for a token is wrong")
            return 200, {"token_type": "Bearer", "expires_in": 3599, "access_token": self.token}, {}
        return super().served(request, path, query, text)

    def names(self):
        return sorted(path.rsplit("/", 1)[1] for path in self.things if "/loadBalancers/" in path)

    def remains(self):
        return sorted(path for path in self.things if path not in self.before)

    def one(self, name):
        return self.things[SCOPE + "loadBalancers/" + name]["properties"]

    def facts(self, name):
        lb = self.one(name)
        addresses = lb["backendAddressPools"][0]["properties"]["loadBalancerBackendAddresses"]
        return {"port": lb["loadBalancingRules"][0]["properties"]["frontendPort"], "path": lb["probes"][0]["properties"]["requestPath"],
                "public": "publicIPAddress" in lb["frontendIPConfigurations"][0]["properties"],
                "targets": sorted(self.hosts.get(one["properties"]["ipAddress"], "?") for one in addresses)}

    def allowed(self, name):
        return sorted(self.things[SCOPE + "networkSecurityGroups/hosts/securityRules/" + name]["properties"]["sourceAddressPrefixes"])

    def twin(self, name):
        pass    # an address is of its network

    def drift(self, name):
        self.one(name)["probes"][0]["properties"]["requestPath"] = "/patroni"
        self.one(name)["backendAddressPools"][0]["properties"]["loadBalancerBackendAddresses"].pop()

    def stranger(self, name):
        self.things[SCOPE + "loadBalancers/" + name] = {"name": name, "sku": {"name": "Standard"}, "properties": {"provisioningState": "Succeeded"}}

    def refuse(self, status, message):
        raise Refusal(status, self.error(status, message))

    def answer(self, method, path, query, body, request):
        if method == "PUT":
            return self.put(path, body)
        if path not in self.things:
            if method == "DELETE":
                return 204, None
            self.refuse(404, f"{path} was not found")
        if method == "DELETE":
            if any(path in str(thing) for at, thing in self.things.items() if at != path and "publicIPAddresses" in path):
                self.refuse(400, "PublicIPAddressCannotBeDeleted: it is in use")
            del self.things[path]
            self.rules(path, None)
            return 202, None
        seen = copy.deepcopy(self.things[path])
        self.things[path]["properties"]["provisioningState"] = "Succeeded"    # a look later
        return 200, seen

    def put(self, path, body):
        was = self.things.get(path)
        made = {**body, "name": path.rsplit("/", 1)[1], "id": path}
        made["properties"] = {**body["properties"], "provisioningState": "Updating"}
        if "/publicIPAddresses/" in path:
            made["properties"]["ipAddress"] = "203.0.113.20"
        if "/loadBalancers/" in path:
            front = body["properties"]["frontendIPConfigurations"][0]["properties"]
            if was and ("publicIPAddress" in front) != ("publicIPAddress" in was["properties"]["frontendIPConfigurations"][0]["properties"]):
                self.refuse(400, "a front end stays what it is")
            if "publicIPAddress" in front and front["publicIPAddress"]["id"] not in self.things:
                self.refuse(400, "InvalidResourceReference")
            if "subnet" in front:
                if front["subnet"]["id"] != SCOPE + "virtualNetworks/net/subnets/sub":
                    self.refuse(400, "InvalidResourceReference")
                made["properties"]["frontendIPConfigurations"][0]["properties"]["privateIPAddress"] = "10.0.0.200"
            rule = body["properties"]["loadBalancingRules"][0]["properties"]
            for key, of in (("frontendIPConfiguration", "frontendIPConfigurations"), ("backendAddressPool", "backendAddressPools"), ("probe", "probes")):
                name = body["properties"][of][0]["name"]
                if rule[key]["id"] != f"{path}/{of}/{name}":
                    self.refuse(400, f"{key} leads nowhere")
        if "/securityRules/" in path:
            if len({":" in one for one in body["properties"]["sourceAddressPrefixes"]}) != 1:
                self.refuse(400, "ResourceCannotContainAddressPrefixesFromDifferentAddressFamilies")
            group = self.things[path.rsplit("/", 2)[0]]["properties"]["securityRules"]
            if any(one["name"] != made["name"] and one["properties"]["priority"] == body["properties"]["priority"] for one in group):
                self.refuse(400, "SecurityRuleConflict")
            self.rules(path, made)
        self.things[path] = made
        return (200 if was else 201), made

    def rules(self, path, rule):
        if "/securityRules/" not in path:
            return
        group = self.things[path.rsplit("/", 2)[0]]["properties"]
        group["securityRules"] = [one for one in group["securityRules"] if one["name"] != path.rsplit("/", 1)[1]] + ([rule] if rule else [])
