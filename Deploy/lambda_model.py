#!/usr/bin/env python3
"""Writes what Martlet needs of Lambda's service model, from botocore's data: operations, the shapes of their input, exceptions.

    .build/venv/bin/python Deploy/lambda_model.py            writes Sources/LambdaAPI/ServiceModel/ServiceModel+Text.swift
    .build/venv/bin/python Deploy/lambda_model.py --check    fails if that file is another

Run it when requirements-test.txt names another botocore. One line each, fields separated by tabs:

    operation  NAME  METHOD  PATH[?NAME=VALUE]  STATUS  INPUT
    exception  NAME  STATUS  MESSAGE-MEMBER  User|Service
    TYPE       NAME  [min=N] [max=N] [enum=A|B] [sensitive] [payload=MEMBER] [of=SHAPE] [keys=SHAPE] [pattern=REGULAR EXPRESSION]
               NAME[!]  SHAPE  [LOCATION  WIRE-NAME]     a member of the structure above; ! for required
"""
import pathlib
import sys

import botocore
import botocore.loaders

OUTPUT = pathlib.Path(__file__).parent.parent / "Sources/LambdaAPI/ServiceModel/ServiceModel+Text.swift"
# One text: the compiler reads it in no time, which cannot be said of a list of so many values.
HEAD = '''extension ServiceModel {
    static let text = #"""
'''
LOCATIONS = {"uri": "path", "querystring": "query", "header": "header"}


def reached(model, name, found):
    """The names of all shapes that an input shape needs, in the order in which they are met."""
    if name in found:
        return
    found[name] = None
    shape = model["shapes"][name]
    for member in [*shape.get("members", {}).values(), *(shape[part] for part in ("member", "key", "value") if part in shape)]:
        reached(model, member["shape"], found)


def shape_lines(name, shape):
    fields = [shape["type"], name]
    fields += [f"{limit}={shape[limit]}" for limit in ("min", "max") if limit in shape]
    if "enum" in shape:
        fields.append("enum=" + "|".join(shape["enum"]))
    if shape.get("sensitive"):
        fields.append("sensitive")
    if "payload" in shape:
        fields.append("payload=" + shape["payload"])
    if "key" in shape:
        fields += ["of=" + shape["value"]["shape"], "keys=" + shape["key"]["shape"]]
    if "member" in shape:
        fields.append("of=" + shape["member"]["shape"])
    if "pattern" in shape:
        fields.append("pattern=" + shape["pattern"])
    yield fields
    for member, description in shape.get("members", {}).items():
        fields = ["", member + ("!" if member in shape.get("required", []) else ""), description["shape"]]
        if "location" in description:
            fields += [LOCATIONS[description["location"]], description["locationName"]]
        yield fields


def text():
    model = botocore.loaders.create_loader().load_service_model("lambda", "service-2", "2015-03-31")
    lines = [[f"# Lambda 2015-03-31 as botocore {botocore.__version__} has it; written by Deploy/lambda_model.py."]]
    found = {}
    for name, operation in model["operations"].items():
        http, given = operation["http"], operation["input"]["shape"]
        lines.append(["operation", name, http["method"], http["requestUri"], str(http.get("responseCode", 200)), given])
        reached(model, given, found)
    for name, shape in model["shapes"].items():
        if shape.get("exception"):
            message = next(member for member in shape["members"] if member.lower() == "message")
            lines.append(["exception", name, str(shape["error"]["httpStatusCode"]), message, "Service" if shape.get("fault") else "User"])
    for name in found:
        lines += shape_lines(name, model["shapes"][name])
    return HEAD + "".join("\t".join(fields) + "\n" for fields in lines) + '"""#\n}\n'


if __name__ == "__main__":
    wanted = text()
    if sys.argv[1:] == ["--check"]:
        if OUTPUT.read_text() != wanted:
            sys.exit(f"{OUTPUT} is not what botocore {botocore.__version__} says: run Deploy/lambda_model.py")
    else:
        OUTPUT.write_text(wanted)
