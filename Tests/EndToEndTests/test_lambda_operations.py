"""Which of Lambda's operations are there: each is called through boto3, and the README's table says what came of it.

    WRITE_TABLE=1 .build/venv/bin/python -m pytest Tests/EndToEndTests/test_lambda_operations.py    writes the table
"""

import os
import pathlib
import re

import botocore.exceptions
from botocore import xform_name

from harness import lambda_model

README = pathlib.Path(__file__).parent.parent.parent / "README.md"
MARKS = "<!-- operations -->", "<!-- /operations -->"
# Kept and returned, without any influence on what a function does.
STORED = {"GetRuntimeManagementConfig", "PutRuntimeManagementConfig"}


def outcome(client, operation):
    members = lambda_model.sample(lambda_model.OPERATIONS[operation]["input"]["shape"])
    try:
        getattr(client, xform_name(operation))(**members)
    except botocore.exceptions.ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == 501:
            return "refused"
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] < 500, (operation, error)
    return "stored" if operation in STORED else "supported"


def table(outcomes):
    rows = [f"| of {len(outcomes)} operations | |", "|---|---|"]
    for title, wanted in (("supported", "supported"), ("stored, without effect", "stored"), ("refused with 501", "refused")):
        names = sorted(name for name, found in outcomes.items() if found == wanted)
        rows.append(f"| {title}: {len(names)} | {', '.join(names)} |")
    return "\n".join(rows)


def test_the_table_in_the_readme_is_what_boto3_meets(w):
    client = w.boto(parameter_validation=False)
    found = table({operation: outcome(client, operation) for operation in lambda_model.OPERATIONS})
    text = README.read_text()
    pattern = re.compile(f"({MARKS[0]}\n).*(\n{MARKS[1]})", re.DOTALL)
    if os.environ.get("WRITE_TABLE"):
        README.write_text(pattern.sub(lambda match: match[1] + found + match[2], text))
    elif found not in text:
        raise AssertionError(f"README.md has another table than (write it with WRITE_TABLE=1):\n{found}")
