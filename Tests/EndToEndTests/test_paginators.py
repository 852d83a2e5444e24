"""Every paginator and waiter that boto3 has for Lambda, on what is there: pages of one item, in all the same as one page."""

import json

import botocore.loaders
import pytest
from botocore import xform_name

from harness.world import ACCOUNT, ECHO, ROLE, zip_of

PAGINATORS = botocore.loaders.Loader().load_service_model("lambda", "paginators-1", "2015-03-31")["pagination"]
WAITERS = botocore.loaders.Loader().load_service_model("lambda", "waiters-2", "2015-03-31")["waiters"]
NAMES = ["pages-a", "pages-b", "pages-c"]
PROFILES = {"SigningProfileVersionArns": ["arn:aws:signer:us-east-1:123456789012:/signing-profiles/team/abcdefghij"]}


@pytest.fixture(scope="module")
def things(w):
    """Three of each kind, and what each list is asked with."""
    client, sqs = w.boto(), w.boto(service="sqs")
    configs = [client.create_code_signing_config(AllowedPublishers=PROFILES)["CodeSigningConfig"]["CodeSigningConfigArn"] for _ in NAMES]
    for name in NAMES:
        client.create_function(
            FunctionName=name, Runtime="python3.11", Role=ROLE, Handler="app.handler", Code={"ZipFile": zip_of({"app.py": ECHO})},
            CodeSigningConfigArn=configs[0])
        client.publish_layer_version(LayerName=name, Content={"ZipFile": zip_of({"one": name})})
        client.publish_layer_version(LayerName=NAMES[0], Content={"ZipFile": zip_of({"two": name})})
        sqs.create_queue(QueueName=name)
        client.create_event_source_mapping(FunctionName=NAMES[0], EventSourceArn=f"arn:aws:sqs:us-east-1:{ACCOUNT}:{name}", Enabled=False)
    client.create_function_url_config(FunctionName=NAMES[0], AuthType="NONE")
    for number, name in enumerate(NAMES, 1):
        client.update_function_configuration(FunctionName=NAMES[0], Timeout=10 + number)
        assert client.publish_version(FunctionName=NAMES[0])["Version"] == str(number)
        client.create_alias(FunctionName=NAMES[0], Name=name, FunctionVersion=str(number))
        client.create_function_url_config(FunctionName=NAMES[0], Qualifier=name, AuthType="NONE")
        client.put_function_event_invoke_config(FunctionName=NAMES[0], Qualifier=name, MaximumRetryAttempts=0)
        client.put_provisioned_concurrency_config(FunctionName=NAMES[0], Qualifier=str(number), ProvisionedConcurrentExecutions=1)
    function = {"FunctionName": NAMES[0]}
    return {
        "ListFunctions": {}, "ListLayers": {}, "ListCodeSigningConfigs": {}, "ListEventSourceMappings": function, "ListAliases": function,
        "ListVersionsByFunction": function, "ListFunctionEventInvokeConfigs": function, "ListProvisionedConcurrencyConfigs": function,
        "ListFunctionUrlConfigs": function, "ListLayerVersions": {"LayerName": NAMES[0]},
        "ListFunctionsByCodeSigningConfig": {"CodeSigningConfigArn": configs[0]},
    }


def stable(item):
    """Without what goes on by itself."""
    if isinstance(item, dict):
        return json.dumps({key: value for key, value in item.items() if not key.startswith(("Allocated", "Available", "Status"))}, default=str)
    return item


def test_every_paginator_walks_pages_of_one(w, things):
    client = w.boto()
    refused = set()
    for operation, description in PAGINATORS.items():
        if operation not in things:
            assert "Durable" in operation or "Capacity" in operation, operation
            refused.add(operation)
            continue
        pages = list(client.get_paginator(xform_name(operation)).paginate(**things[operation], PaginationConfig={"PageSize": 1}))
        items = [page[description["result_key"]] for page in pages]
        whole = getattr(client, xform_name(operation))(**things[operation])
        assert [len(page) for page in items] == [1] * len(items) and len(items) >= 3, (operation, items)
        assert [stable(page[0]) for page in items] == [stable(item) for item in whole[description["result_key"]]], operation
        assert "NextMarker" not in whole or not whole["NextMarker"], operation
        assert len({stable(page[0]) for page in items}) == len(items), operation
        # As many as are asked for, and a token to go on with.
        limited = client.get_paginator(xform_name(operation)).paginate(**things[operation], PaginationConfig={"PageSize": 1, "MaxItems": 2}).build_full_result()
        assert len(limited[description["result_key"]]) == 2 and limited["NextToken"], operation
    assert len(things) + len(refused) == len(PAGINATORS)


def test_a_marker_that_no_list_has_given_is_an_error_or_a_place_and_never_a_fault(w, things):
    client = w.boto()
    for operation, members in things.items():
        for marker in ("nonsense", "\u00e4", "x" * 3000, "1:2:3"):
            try:
                getattr(client, xform_name(operation))(**members, Marker=marker)
            except client.exceptions.ClientError as error:
                assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 400, (operation, marker, error)


def test_every_waiter_is_done_as_soon_as_what_it_waits_for_was_answered(w, name):
    client = w.boto()
    made = client.create_function(
        FunctionName=name, Runtime="python3.11", Role=ROLE, Handler="app.handler", Code={"ZipFile": zip_of({"app.py": ECHO})}, Publish=True)
    # The answer comes when the package is unpacked and every part of the server knows the function: it is true.
    assert made["State"] == "Active" and made["LastUpdateStatus"] == "Successful"
    at_once = {"MaxAttempts": 1}
    for waiter in WAITERS:
        more = {"Qualifier": made["Version"]} if waiter == "PublishedVersionActive" else {}
        client.get_waiter(xform_name(waiter)).wait(FunctionName=name, **more, WaiterConfig=at_once)
    updated = client.update_function_code(FunctionName=name, ZipFile=zip_of({"app.py": "def handler(event, context):\n    return 2\n"}))
    assert updated["LastUpdateStatus"] == "Successful"
    client.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig=at_once)
    assert w.call(name, {}) == 2
    with pytest.raises(Exception, match="Max attempts exceeded"):
        client.get_waiter("function_exists").wait(FunctionName=f"{name[:50]}-not", WaiterConfig=at_once)
