"""Requests and answers held against a vendor's specification (OpenAPI 3.0); what the specification does not name is refused, too."""

import json
import pathlib
import re
import urllib.parse

import jsonschema

SPECS = pathlib.Path(__file__).resolve().parent / "specs"


def strict(schema, closed, whole=True):
    """OpenAPI's dialect in JSON Schema's; `closed`: objects have no other properties than the named ones. What is not the whole (a part of an allOf)
    names only some of them, and leaves that to what it is part of."""
    if not isinstance(schema, dict):
        return schema
    made = {}
    for key, value in schema.items():
        if key in ("properties", "patternProperties"):
            made[key] = {name: strict(one, closed) for name, one in value.items()}
        elif key in ("allOf", "oneOf", "anyOf"):
            made[key] = [strict(one, closed, False) for one in value]
        elif key in ("items", "additionalProperties", "not"):
            made[key] = strict(value, closed)
        elif key == "$ref":
            made[key] = value if whole else value.replace("#/components/", "#/parts/", 1)
        else:
            made[key] = value
    nullable = made.pop("nullable", False)
    if closed and whole and {"properties", "allOf", "oneOf", "anyOf"} & made.keys() and "additionalProperties" not in made:
        made["unevaluatedProperties"] = False
    if nullable and "type" in made:
        made["type"] = [made["type"], "null"]
        if "enum" in made:
            made["enum"] = [*made["enum"], None]
    elif nullable:
        return {"anyOf": [made, {"type": "null"}]}
    return made


class OpenApi:
    def __init__(self, name):
        self.raw = json.loads((SPECS / f"{name}.json").read_text())
        schemas = self.raw["components"]["schemas"]
        self.roots = {strictly: {"components": {"schemas": {key: strict(one, strictly) for key, one in schemas.items()}},
                                 "parts": {"schemas": {key: strict(one, strictly, False) for key, one in schemas.items()}}} for strictly in (True, False)}
        self.paths = []
        for path, item in self.raw["paths"].items():
            pattern = re.sub(r"\\\{([^}]+)\\\}", r"(?P<\1>[^/]+)", re.escape(path))
            self.paths.append((path.count("{"), re.compile(pattern + "$"), item, path))
        self.paths.sort(key=lambda one: one[0])

    def find(self, method, path):
        for _, pattern, item, template in self.paths:
            if (found := pattern.match(path)) and method.lower() in item:
                return item[method.lower()], item, found.groupdict(), template
        return None

    def check(self, schema, value, closed):
        root = {**self.roots[closed], **strict(schema, closed)}
        best = jsonschema.exceptions.best_match(jsonschema.Draft202012Validator(root).iter_errors(value))
        return None if best is None else f"{'/'.join(map(str, best.absolute_path)) or 'body'}: {best.message[:300]}"

    def resolve(self, one):
        while "$ref" in one:
            at = self.raw
            for part in one["$ref"].removeprefix("#/").split("/"):
                at = at[part]
            one = at
        return one

    def complete(self, name, given):
        """`given` with the least of what the schema requires besides."""
        return self.filled({"$ref": f"#/components/schemas/{name}"}, given)

    def filled(self, schema, given=None):
        schema = self.resolve(schema)
        if schema.get("nullable") and given is None:
            return None
        for part in schema.get("allOf", []):
            given = self.filled(part, given)
        if schema.get("type") == "object" or "properties" in schema:
            made = dict(given or {})
            for name in {*schema.get("required", []), *made} & schema.get("properties", {}).keys():
                if name not in made or isinstance(made[name], dict):
                    made[name] = self.filled(schema["properties"][name], made.get(name))
            return made
        if given is not None or "allOf" in schema:
            return given
        if "enum" in schema:
            return schema["enum"][0]
        return {"string": "a", "integer": schema.get("multipleOf", 1), "number": 1, "boolean": False, "array": []}.get(schema.get("type"))

    def request(self, method, path, query, body):
        """What the specification does not allow of a request; None: nothing."""
        found = self.find(method, path)
        if not found:
            return f"no such operation: {method} {path}"
        operation, item, _, _ = found
        known = {}
        for parameter in [*item.get("parameters", []), *operation.get("parameters", []), *self.raw.get("parameters", [])]:
            parameter = self.resolve(parameter)
            if parameter["in"] == "query":
                known[parameter["name"]] = parameter
        for name, values in urllib.parse.parse_qs(query, keep_blank_values=True).items():
            if name not in known:
                return f"unknown parameter {name}"
            schema = self.resolve(known[name].get("schema", {}))
            value = int(values[0]) if schema.get("type") == "integer" and re.fullmatch(r"-?\d+", values[0]) else values[0]
            if schema.get("type") != "array" and (wrong := self.check(schema, value, False)):
                return f"parameter {name}: {wrong}"
        wanted = [name for name, parameter in known.items() if parameter.get("required") and name not in urllib.parse.parse_qs(query)]
        if wanted:
            return f"missing parameter {wanted[0]}"
        declared = operation.get("requestBody")
        if declared is None:
            return "a body, and none is declared" if body not in (None, {}) else None
        declared = self.resolve(declared)
        if body is None:
            return "the body is missing" if declared.get("required") else None
        return self.check(declared["content"]["application/json"]["schema"], body, True)

    def answer(self, method, path, status, body):
        """What the specification does not allow of our own answer, so that the stand-in says nothing that the vendor would not."""
        operation = self.find(method, path)[0]
        declared = next((operation["responses"][one] for one in (str(status), "default") if one in operation["responses"]), None)
        if declared is None:
            return f"no status {status} is declared"
        content = self.resolve(declared).get("content", {}).get("application/json")
        if content is None or body is None:
            return None
        return self.check(content["schema"], body, False)
