"""Resource policies: whom a function's owner lets in, through Lambda's own operations."""

import json

import pytest
from botocore.exceptions import ClientError

from harness.world import ECHO, world
from test_tenants import REGION, Tenant, code_of, path_of


@pytest.fixture(scope="module")
def closed(scratch):
    with world(scratch / "policies", dev=False) as made:
        yield made


@pytest.fixture(scope="module")
def owner(closed):
    tenant = Tenant(closed, "owner")
    return tenant


@pytest.fixture(scope="module")
def friend(closed):
    return Tenant(closed, "friend")


@pytest.fixture(scope="module")
def stranger(closed):
    return Tenant(closed, "stranger")


@pytest.fixture
def function(owner, name):
    """A function of the owner's that nobody else may call yet."""
    return owner.create(name, ECHO, Publish=True)["FunctionArn"].rsplit(":", 1)[0]


def allow(owner, function, principal, sid="s", action="lambda:InvokeFunction", **more):
    return owner.boto().add_permission(FunctionName=function, StatementId=sid, Action=action, Principal=principal, **more)


def invoke(tenant, arn, **more):
    return json.load(tenant.boto().invoke(FunctionName=arn, Payload=b'"hi"', **more)["Payload"])


def test_only_whom_the_policy_names_may_invoke_and_only_while_it_does(owner, friend, stranger, function):
    assert code_of(lambda: invoke(friend, function)) == "AccessDeniedException"
    statement = json.loads(allow(owner, function, friend.account)["Statement"])
    assert statement == {
        "Sid": "s", "Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{friend.account}:root"}, "Action": "lambda:InvokeFunction", "Resource": function}
    assert invoke(friend, function) == "hi" and invoke(owner, function) == "hi"
    assert friend.boto().invoke(FunctionName=function, InvocationType="Event", Payload=b"1")["StatusCode"] == 202
    assert friend.boto().invoke(FunctionName=function, InvocationType="DryRun", Payload=b"1")["StatusCode"] == 204
    assert code_of(lambda: invoke(stranger, function)) == "AccessDeniedException"
    # To call it is all that was allowed.
    assert code_of(lambda: friend.boto().get_function(FunctionName=function)) == "AccessDeniedException"
    owner.boto().remove_permission(FunctionName=function, StatementId="s")
    assert code_of(lambda: invoke(friend, function)) == "AccessDeniedException"


def test_each_qualifier_has_its_own(owner, friend, function):
    allow(owner, function, friend.account, Qualifier="1")
    assert invoke(friend, f"{function}:1") == "hi"
    assert invoke(friend, function, Qualifier="1") == "hi"
    assert code_of(lambda: invoke(friend, function)) == "AccessDeniedException"
    policy = json.loads(owner.boto().get_policy(FunctionName=function, Qualifier="1")["Policy"])
    assert [s["Resource"] for s in policy["Statement"]] == [f"{function}:1"]
    assert code_of(lambda: owner.boto().get_policy(FunctionName=function)) == "ResourceNotFoundException"
    assert code_of(lambda: allow(owner, function, "*", Qualifier="$LATEST")) == "InvalidParameterValueException"
    assert code_of(lambda: allow(owner, function, "*", Qualifier="2")) == "ResourceNotFoundException"
    owner.boto().delete_function(FunctionName=function, Qualifier="1")
    assert code_of(lambda: invoke(friend, f"{function}:1")) == "AccessDeniedException"


def test_conditions_and_services_open_it_to_nobody_with_a_key(owner, friend, function):
    allow(owner, function, "s3.amazonaws.com", "bucket", SourceArn="arn:aws:s3:::b", SourceAccount=owner.account)
    allow(owner, function, "*", "token", EventSourceToken="t.1")
    allow(owner, function, "*", "org", PrincipalOrgID="o-1234567890")
    assert code_of(lambda: invoke(friend, function)) == "AccessDeniedException"
    policy = json.loads(owner.boto().get_policy(FunctionName=function)["Policy"])
    assert policy["Version"] == "2012-10-17" and [s["Sid"] for s in policy["Statement"]] == ["bucket", "token", "org"]
    assert policy["Statement"][0]["Condition"] == {
        "StringEquals": {"AWS:SourceAccount": owner.account}, "ArnLike": {"AWS:SourceArn": "arn:aws:s3:::b"}}


def test_revisions_guard_the_policy(owner, function):
    client = owner.boto()
    revision = client.get_function(FunctionName=function)["Configuration"]["RevisionId"]
    assert code_of(lambda: allow(owner, function, "*", RevisionId="00000000-0000-0000-0000-000000000000")) == "PreconditionFailedException"
    allow(owner, function, "*", "a", RevisionId=revision)
    first = client.get_policy(FunctionName=function)["RevisionId"]
    allow(owner, function, "*", "b", RevisionId=first)
    assert code_of(lambda: allow(owner, function, "*", "c", RevisionId=first)) == "PreconditionFailedException"
    assert code_of(lambda: client.remove_permission(FunctionName=function, StatementId="a", RevisionId=first)) == "PreconditionFailedException"
    client.remove_permission(FunctionName=function, StatementId="a", RevisionId=client.get_policy(FunctionName=function)["RevisionId"])


@pytest.mark.parametrize("more, code", [
    ({"StatementId": "a b"}, "ValidationException"), ({"Action": "s3:GetObject"}, "ValidationException"),
    ({"Principal": "ada"}, "InvalidParameterValueException"), ({"SourceAccount": "12"}, "ValidationException"),
    ({"SourceArn": "b"}, "ValidationException"), ({"FunctionUrlAuthType": "NONE"}, "InvalidParameterValueException"),
    ({"FunctionUrlAuthType": "SOME", "Action": "lambda:InvokeFunctionUrl"}, "ValidationException"),
    ({"EventSourceToken": "a b"}, "ValidationException"), ({"StatementId": "taken"}, "ResourceConflictException"),
    ({"FunctionName": "nothing"}, "ResourceNotFoundException"),
], ids=str)
def test_what_is_wrong_is_said_in_lambdas_words(owner, function, more, code):
    allow(owner, function, "*", "taken")
    options = {"FunctionName": function, "StatementId": "s", "Action": "lambda:InvokeFunction", "Principal": "*", **more}
    client = owner.boto(parameter_validation=False)
    assert code_of(lambda: client.add_permission(**options)) == code


def test_a_policy_has_a_bounded_size(owner, function):
    def fill():
        for number in range(100):
            allow(owner, function, "s3.amazonaws.com", f"s{number}", SourceArn="arn:aws:s3:::" + "b" * 2_000)
    assert code_of(fill) == "PolicyLengthExceededException"
    assert code_of(lambda: owner.boto().remove_permission(FunctionName=function, StatementId="none")) == "ResourceNotFoundException"


def test_policies_end_with_their_function_and_outlive_a_start(make_world):
    w = make_world(dev=False)
    owner, friend = Tenant(w, "owner"), Tenant(w, "friend")
    for name in ("stays", "goes"):
        arn = owner.create(name)["FunctionArn"]
        allow(owner, arn, friend.account)
    stays = arn.replace("goes", "stays")
    owner.boto().delete_function(FunctionName="goes")
    owner.create("goes")
    assert code_of(lambda: invoke(friend, arn)) == "AccessDeniedException"
    w.kill()
    w.start()
    assert invoke(friend, stays) == "hi"
    assert code_of(lambda: invoke(friend, arn)) == "AccessDeniedException"


def test_a_url_with_iam_needs_a_signature_and_a_permission(closed, owner, friend, stranger, function):
    url = path_of(owner.boto().create_function_url_config(FunctionName=function, AuthType="AWS_IAM")["FunctionUrl"])
    assert closed.http("GET", url, sign=None).status == 403
    assert owner.http("GET", url).status == 200
    assert friend.http("GET", url).status == 403
    allow(owner, function, friend.account, "direct")
    assert friend.http("GET", url).status == 403, "to invoke is not to call its URL"
    allow(owner, function, friend.account, "url", "lambda:InvokeFunctionUrl", FunctionUrlAuthType="AWS_IAM")
    answer = friend.http("GET", url)
    assert answer.status == 200 and answer.json["requestContext"]["authorizer"]["iam"]["accountId"] == friend.account
    assert stranger.http("GET", url).status == 403
    forged = closed.signed("GET", url, None, {}, key=friend.key["accessKeyId"], secret="x" * 40)
    assert closed.http("GET", url, headers=forged, sign=None).status == 403
    # A presigned address is a signature, too.
    from botocore.auth import SigV4QueryAuth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials
    request = AWSRequest("GET", closed.endpoint + url)
    SigV4QueryAuth(Credentials(friend.key["accessKeyId"], friend.key["secretAccessKey"]), "lambda", REGION, expires=60).add_auth(request)
    path = request.prepare().url.removeprefix(closed.endpoint)
    assert closed.http("GET", path, sign=None).status == 200
    assert closed.http("GET", path.replace("X-Amz-Expires=60", "X-Amz-Expires=61"), sign=None).status == 403


def test_a_url_without_authentication_needs_no_statement(closed, owner, function):
    url = path_of(owner.boto().create_function_url_config(FunctionName=function, AuthType="NONE")["FunctionUrl"])
    assert closed.http("GET", url, sign=None).status == 200
    with pytest.raises(ClientError):
        owner.boto().get_policy(FunctionName=function)
