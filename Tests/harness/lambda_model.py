"""Requests for Lambda's operations made from botocore's service model: valid ones, and every way to spoil one."""

import copy
import json
import urllib.parse

import botocore.loaders

MODEL = botocore.loaders.Loader().load_service_model("lambda", "service-2", "2015-03-31")
OPERATIONS, SHAPES = MODEL["operations"], MODEL["shapes"]

# What satisfies the patterns, by shape; nothing of these names is there.
SAMPLES = {
    "Action": "lambda:InvokeFunction", "AdditionalVersion": "1", "Arn": "arn:aws:sqs:us-east-1:123456789012:none",
    "CapacityProviderArn": "arn:aws:lambda:us-east-1:123456789012:capacity-provider:none",
    "CodeSigningConfigArn": "arn:aws:lambda:us-east-1:123456789012:code-signing-config:csc-0123456789abcdef0",
    "DestinationArn": "arn:aws:sqs:us-east-1:123456789012:none",
    "DurableExecutionArn": "arn:aws:lambda:us-east-1:123456789012:function:none:1/durable-execution/a/b",
    "Endpoint": "localhost:9092", "EnvironmentVariableName": "NAME", "DatabaseName": "none", "CollectionName": "none",
    "FileSystemArn": "arn:aws:elasticfilesystem:us-east-1:123456789012:access-point/fsap-0123456789abcdef0",
    "FunctionUrlQualifier": "live", "KMSKeyArn": "arn:aws:kms:us-east-1:123456789012:key/none", "Alias": "live",
    "KMSKeyArnNonEmpty": "arn:aws:kms:us-east-1:123456789012:key/none", "LayerPermissionAllowedAction": "lambda:GetLayerVersion",
    "LayerPermissionAllowedPrincipal": "*", "LayerVersionArn": "arn:aws:lambda:us-east-1:123456789012:layer:none:1",
    "LocalMountPath": "/mnt/none", "MasterRegion": "ALL", "NumericLatestPublishedOrAliasQualifier": "1", "OrganizationId": "o-0123456789",
    "PolicyResourceArn": "arn:aws:lambda:us-east-1:123456789012:function:none", "PrincipalOrgID": "o-0123456789",
    "ResourceArn": "arn:aws:sqs:us-east-1:123456789012:none", "RevisionId": "00000000-0000-4000-8000-000000000000",
    "RoleArn": "arn:aws:iam::123456789012:role/none", "RuntimeVersionArn": "arn:aws:lambda:us-east-1::runtime:" + "0" * 64,
    "S3Bucket": "none", "SecurityGroupId": "sg-0", "SourceOwner": "123456789012", "SubnetId": "subnet-0",
    "TaggableResource": "arn:aws:lambda:us-east-1:123456789012:function:none", "Topic": "none", "Version": "1", "VersionWithLatestPublished": "1",
    "PublishedFunctionQualifier": "1", "FunctionRuntimeArn": "arn:aws:lambda:us-east-1:123456789012:runtime/none-none-none",
}
# Left to the operation's own checks, which have other words: what the server has, and brokers beyond Kafka.
OWN_CHECKS = {"Runtime", "EndPointType", "Endpoint", "EndpointLists", "Topic", "SourceAccessType", "URI"}


def lower_camel(name):
    return name[0].lower() + name[1:]


def sample(name):
    """The least that is valid."""
    shape = SHAPES[name]
    kind = shape["type"]
    if kind == "structure":
        return {member: sample(shape["members"][member]["shape"]) for member in shape.get("required", [])}
    if kind == "list":
        return [sample(shape["member"]["shape"])] * max(1, shape.get("min", 1))
    if kind == "map":
        return {sample(shape["key"]["shape"]): sample(shape["value"]["shape"])}
    if kind == "string":
        return SAMPLES.get(name) or shape.get("enum", ["n" * max(4, min(shape.get("min", 4), 100))])[0]
    return {"boolean": True, "blob": "", "timestamp": 1_700_000_000}.get(kind, shape.get("min", 1))


class Case:
    def __init__(self, what, member, value, code, words):
        self.what, self.member, self.value, self.code, self.words = what, member, value, code, words

    def __repr__(self):
        return f"{self.what} at {self.member}"


def spoiled(name, path, in_body, depth=0):
    """(what, value, code, words) for a member of this shape; `code` None where the operation's own checks answer."""
    shape = SHAPES[name]
    kind = shape["type"]
    own = name in OWN_CHECKS
    code = None if own else "ValidationException"
    here = "" if own else f"at '{path}' failed to satisfy constraint"
    if in_body and kind not in ("blob",):
        yield "wrong type", [] if kind not in ("list",) else {}, "SerializationException", "can not be converted to"
        if kind == "string":
            yield "number for a text", 5, "SerializationException", "NUMBER_VALUE can not be converted to a String"
    if kind == "string":
        if "max" in shape and shape["max"] <= 4096:
            yield "too long", "a" * (shape["max"] + 1), code, here
        if shape.get("min", 0) > 0 and in_body:
            yield "too short", "", code, here
        if "enum" in shape:
            yield "no such value", "no-such-value", code, here
        if "pattern" in shape and shape["pattern"] not in (".*", r"[\s\S]*", r"[\s\S]+"):
            yield "pattern", "\u0001 \u00e9", code, here
    elif kind in ("integer", "long", "double"):
        if "max" in shape:
            yield "too large", shape["max"] + 1, code, here
        if "min" in shape:
            yield "too small", shape["min"] - 1, code, here
        if not in_body and kind != "double":
            yield "no number", "x", "SerializationException", "can not be converted to"
    elif kind == "list":
        inner = shape["member"]["shape"]
        if "max" in shape and shape["max"] <= 100:
            yield "too many", [sample(inner)] * (shape["max"] + 1), code, here
        if shape.get("min", 0) > 0 and in_body:
            yield "too few", [], code, here
        if in_body and depth < 4 and not own:
            scalar = SHAPES[inner]["type"] not in ("structure", "list", "map")
            for what, value, code, words in spoiled(inner, path if scalar else f"{path}.1.member", True, depth + 1):
                yield f"{what} in the list", [value], code, words
    elif kind == "map" and in_body and depth < 4 and not own:
        for what, value, code, words in spoiled(shape["key"]["shape"], path, False, depth + 1):
            yield f"{what} of the key", {value: sample(shape["value"]["shape"])}, code, words
        inner = shape["value"]["shape"]
        scalar = SHAPES[inner]["type"] not in ("structure", "list", "map")
        key = sample(shape["key"]["shape"])
        for what, value, code, words in spoiled(inner, path if scalar else f"{path}.{key}.member", True, depth + 1):
            yield f"{what} of the value", {key: value}, code, words
    elif kind == "structure" and depth < 4:
        whole = sample(name)
        for member, description in shape["members"].items():
            place = f"{path}.{lower_camel(member)}"
            if member in shape.get("required", []):
                yield f"no {member}", {k: v for k, v in whole.items() if k != member}, "ValidationException", f"Value null at '{place}'"
            for what, value, code, words in spoiled(description["shape"], place, True, depth + 1):
                yield f"{what} of {member}", {**whole, member: value}, code, words


def cases(operation):
    """Every way to spoil one member of a valid request, and that request's members."""
    shape = SHAPES[OPERATIONS[operation]["input"]["shape"]]
    whole = sample(OPERATIONS[operation]["input"]["shape"])
    for member, description in shape["members"].items():
        if member == shape.get("payload"):
            continue
        location = description.get("location")
        if member in shape.get("required", []) and location != "uri":
            yield Case("absent", member, None, "ValidationException", f"Value null at '{lower_camel(member)}'")
        for what, value, code, words in spoiled(description["shape"], lower_camel(member), location is None):
            yield Case(what, member, value, code, words)


def request(operation, changed=None):
    """Method, target, header and body of the least valid request.

    - changed: a Case, whose member is replaced, or left out where its value is None.
    """
    http = OPERATIONS[operation]["http"]
    shape = SHAPES[OPERATIONS[operation]["input"]["shape"]]
    members = copy.deepcopy(sample(OPERATIONS[operation]["input"]["shape"]))
    if changed is not None:
        members.pop(changed.member, None)
        if changed.value is not None:
            members[changed.member] = changed.value
    path, _, constant = http["requestUri"].partition("?")
    query, headers, body = [constant] if constant else [], {}, {}
    for member, value in members.items():
        description = shape["members"][member]
        location, wire = description.get("location"), description.get("locationName")
        text = json.dumps(value) if isinstance(value, bool) else value
        if location == "uri":
            path = path.replace("{%s}" % wire, urllib.parse.quote(str(text), safe=""))
        elif location == "querystring":
            query += [f"{wire}={urllib.parse.quote(str(one), safe='')}" for one in (text if isinstance(text, list) else [text])]
        elif location == "header":
            headers[wire] = str(text)
        elif member != shape.get("payload"):
            body[member] = value
    target = path + ("?" + "&".join(query) if query else "")
    if not body:
        return http["method"], target, headers, None
    return http["method"], target, {**headers, "Content-Type": "application/json"}, json.dumps(body).encode()
