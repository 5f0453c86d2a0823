"""AWS: moto, behind a check of the signature (botocore's own) and of each parameter (the service's own model)."""

import datetime
import logging
import os
import re
import urllib.parse

import boto3
import botocore.auth
import botocore.awsrequest
import botocore.credentials
import botocore.loaders
import botocore.model
import moto
from mock import Mock, Refusal

logging.getLogger("werkzeug").setLevel(logging.ERROR)
REGION = "eu-central-1"
SERVICES = {"elasticloadbalancing": "elbv2", "ec2": "ec2"}


class Aws(Mock):
    provider = "aws"
    keys = {"aws_access_key_id": "AWS_ACCESS_KEY_ID", "aws_secret_access_key": "AWS_SECRET_ACCESS_KEY", "aws_session_token": "AWS_SESSION_TOKEN"}

    def __init__(self, hosts):
        from moto.server import DomainDispatcherApplication, create_backend_app
        from werkzeug.test import Client
        import moto.moto_api._internal

        self.key, self.secret = "AKIATESTS", "token-of-the-tests-aws"
        self.session = "token-of-the-tests-session/+="    # of a temporary key
        self.env = {"AWS_ACCESS_KEY_ID": self.key, "AWS_SECRET_ACCESS_KEY": self.secret, "AWS_SESSION_TOKEN": self.session}
        self.app = Client(DomainDispatcherApplication(create_backend_app))
        self.app.post("/moto-api/reset", base_url="http://localhost")
        loader = botocore.loaders.Loader()
        self.models = {name: botocore.model.ServiceModel(loader.load_service_model(model, "service-2")) for name, model in SERVICES.items()}
        super().__init__()
        os.environ.setdefault("AWS_EC2_METADATA_DISABLED", "true")
        self.inside = {"region_name": REGION, "aws_access_key_id": self.key, "aws_secret_access_key": self.secret, "endpoint_url": self.url}
        self.own = True    # our own requests, which are not looked at
        self.ec2, self.elb = boto3.client("ec2", **self.inside), boto3.client("elbv2", **self.inside)
        vpc = self.ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        gateway = self.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        self.ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
        self.subnets = [self.ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{n}.0/24", AvailabilityZone=REGION + zone)["Subnet"]["SubnetId"] for n, zone in ((0, "a"), (1, "b"))]
        self.image = image = self.ec2.describe_images()["Images"][0]["ImageId"]
        self.ids, self.addresses = {}, hosts
        for name, ip in hosts.items():
            made = self.ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1, SubnetId=self.subnets[0], PrivateIpAddress=ip)
            self.ids[made["Instances"][0]["InstanceId"]] = name
        self.own = False
        self.spec = {"server_location": REGION, "server_network": ",".join(self.subnets)}
        self.public = ["203.0.113.0/24", "2001:db8::/32"]

    def label(self, path, text):
        return "/" + urllib.parse.parse_qs(text).get("Action", [""])[0]

    def creates(self, method, path):
        return path == "/CreateLoadBalancer"

    def error(self, status, message, code=None):
        return f"<ErrorResponse><Error><Type>Sender</Type><Code>{code or 'Made'}</Code><Message>{message}</Message></Error></ErrorResponse>"

    def reads(self, one):
        return one["path"].startswith("/Describe")

    def served(self, request, path, query, text):
        service = re.search(r"/(elasticloadbalancing|ec2)/aws4_request", request.headers.get("Authorization", ""))
        if not service:
            raise Refusal(403, self.error(403, "no signature"))
        if not self.own:
            self.signature(request, text, service[1])
            form = dict(urllib.parse.parse_qsl(text, keep_blank_values=True, strict_parsing=True))
            action = form.pop("Action")
            assert form.pop("Version") == self.models[service[1]].api_version
            self.requests.append({"method": "POST", "path": "/" + action, "body": form})
            if wrong := self.parameters(self.models[service[1]], action, form):
                self.violations.append(f"{action}: {wrong}")
                raise Refusal(400, self.error(400, wrong))
        headers = {name: value for name, value in request.headers.items() if name.lower() not in ("content-length", "host")}
        done = self.app.post(path or "/", data=text, headers=headers, base_url=f"http://{service[1]}.{REGION}.amazonaws.com")
        return done.status_code, done.get_data(as_text=True), {}

    def signature(self, request, text, service):
        """As botocore signs the same request at the same moment."""
        given = request.headers["Authorization"]
        when = datetime.datetime.strptime(request.headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ")
        age = abs((datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None) - when).total_seconds())
        names = re.search(r"SignedHeaders=([^,]+)", given)[1].split(";")
        headers = {name: request.headers[name] for name in names if name != "host"}
        if headers.get("x-amz-security-token") != self.session:
            self.violations.append("the session's token is not sent and signed")
        same = botocore.awsrequest.AWSRequest(method="POST", url=f"http://{request.headers['Host']}{request.path}", data=text, headers=headers)
        same.context["timestamp"] = request.headers["X-Amz-Date"]
        auth = botocore.auth.SigV4Auth(botocore.credentials.Credentials(self.key, self.secret), service, REGION)
        wanted = auth.signature(auth.string_to_sign(same, auth.canonical_request(same)), same)
        if age > 300 or not given.endswith("Signature=" + wanted) or f"Credential={self.key}/" not in given:
            self.violations.append("the signature is not AWS's")
            raise Refusal(403, self.error(403, "SignatureDoesNotMatch"))

    def parameters(self, service, action, form):
        """Whether each name of the form leads to a member of the operation's input, and what is required is there."""
        if action not in service.operation_names:
            return "no such operation"
        shape = service.operation_model(action).input_shape
        seen = set()
        for name, value in form.items():
            if wrong := self.parameter(service, shape, name.split("."), value):
                return f"{name}={value}: {wrong}"
            seen.add(name.split(".")[0])
        missing = [one for one in shape.required_members if self.wire(service, one, shape.members[one])[0] not in seen]
        return f"{missing} missing" if missing else None

    def wire(self, service, name, shape):
        """The member's name in a request, and its list's own words."""
        of = shape.serialization
        if service.metadata["protocol"] == "ec2":
            name = of.get("queryName") or (of.get("name", name)[:1].upper() + of.get("name", name)[1:])
            return name, None
        return of.get("name", name), "member"

    def parameter(self, service, shape, parts, value):
        if shape.type_name == "structure":
            for name, member in shape.members.items():
                if parts and self.wire(service, name, member)[0] == parts[0]:
                    rest = parts[1:]
                    if member.type_name == "list":
                        if service.metadata["protocol"] != "ec2":
                            if not rest or rest[0] != "member":
                                return "a list has members"
                            rest = rest[1:]
                        if not rest or not rest[0].isdigit():
                            return "a list has numbers"
                        return self.parameter(service, member.member, rest[1:], value)
                    return self.parameter(service, member, rest, value)
            return f"no member {parts[:1]}"
        if parts:
            return "has nothing in it"
        if shape.type_name in ("integer", "long"):
            if not value.lstrip("-").isdigit():
                return "no number"
            low, high = shape.metadata.get("min"), shape.metadata.get("max")
            if (low is not None and int(value) < low) or (high is not None and int(value) > high):
                return f"not within {low} and {high}"
        if shape.type_name == "string":
            if shape.enum and value not in shape.enum:
                return f"none of {shape.enum}"
            pattern = shape.metadata.get("pattern", "")
            if "\\p{" not in pattern and not re.search(pattern, value):    # \p is Java's
                return "not of the pattern"
        return None

    def asked(self, of):
        """An answer of moto's, without being looked at."""
        self.own = True
        try:
            return of()
        finally:
            self.own = False

    def names(self):
        return sorted(lb["LoadBalancerName"] for lb in self.asked(self.elb.describe_load_balancers)["LoadBalancers"])

    def groups(self):
        return sorted(one["TargetGroupName"] for one in self.asked(self.elb.describe_target_groups)["TargetGroups"])

    def remains(self):
        walls = self.asked(self.ec2.describe_security_groups)["SecurityGroups"]
        return self.names() + self.groups() + [one["GroupName"] for one in walls if one["GroupName"] != "default"]

    def group(self, name):
        return self.asked(lambda: self.elb.describe_target_groups(Names=[name]))["TargetGroups"][0]

    def facts(self, name):
        lb = self.asked(lambda: self.elb.describe_load_balancers(Names=[name]))["LoadBalancers"][0]
        listener = self.asked(lambda: self.elb.describe_listeners(LoadBalancerArn=lb["LoadBalancerArn"]))["Listeners"][0]
        group = self.group(name)
        assert listener["DefaultActions"][0]["TargetGroupArn"] == group["TargetGroupArn"]
        targets = self.asked(lambda: self.elb.describe_target_health(TargetGroupArn=group["TargetGroupArn"]))["TargetHealthDescriptions"]
        return {"port": listener["Port"], "path": group["HealthCheckPath"], "public": lb["Scheme"] == "internet-facing",
                "targets": sorted(self.ids[one["Target"]["Id"]] for one in targets)}

    def allowed(self, name):
        group = self.asked(lambda: self.ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": [name]}]))["SecurityGroups"][0]
        lb = self.asked(lambda: self.elb.describe_load_balancers(Names=[name]))["LoadBalancers"][0]
        assert lb["SecurityGroups"] == [group["GroupId"]]
        return sorted(one.get("CidrIp") or one["CidrIpv6"] for rule in group["IpPermissions"] for one in rule["IpRanges"] + rule["Ipv6Ranges"])

    def twin(self, name):
        """An instance with the same address in another VPC."""
        def make():
            vpc = self.ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
            subnet = self.ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24", AvailabilityZone=REGION + "a")["Subnet"]["SubnetId"]
            made = self.ec2.run_instances(ImageId=self.image, MinCount=1, MaxCount=1, SubnetId=subnet, PrivateIpAddress=self.addresses[name])
            self.ids[made["Instances"][0]["InstanceId"]] = "twin"
        self.asked(make)

    def drift(self, name):
        arn = self.group(name)["TargetGroupArn"]
        self.asked(lambda: self.elb.modify_target_group(TargetGroupArn=arn, HealthCheckPath="/patroni"))
        self.asked(lambda: self.elb.deregister_targets(TargetGroupArn=arn, Targets=[{"Id": next(iter(self.ids))}]))

    def stranger(self, name):
        self.asked(lambda: self.elb.create_load_balancer(Name=name, Type="network", Subnets=self.subnets))
