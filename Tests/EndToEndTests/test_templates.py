"""SAM templates: a plan first, then what differs and nothing else, and everything gone in the end."""

import json
import shutil

import boto3
import pytest
import yaml

from harness.processes import wait_until
from harness.world import SAMPLES


@pytest.fixture
def orders(tmp_path):
    """A copy of the sample to change."""
    shutil.copytree(SAMPLES / "OrdersTemplate", tmp_path / "orders")
    return tmp_path / "orders" / "template.yaml"


def deploy(w, template, *arguments, **options):
    return w.cli_json("deploy", "--template", template, *arguments, **options)


def actions(result):
    return sorted(f"{c['action']} {c['kind']} {c['name']}" for c in result["changes"])


def ask(w, stack, method, path, body=None):
    return w.http(method, path, body, {"Host": f"{stack}.api.localhost:{w.port}"})


def everything(w, stack):
    """Names of all that begins with the stack's, by kind."""
    lam, sqs, events = w.boto(), w.boto(service="sqs"), w.boto(service="events")
    return {
        "functions": [f["FunctionName"] for f in lam.list_functions()["Functions"] if f["FunctionName"].startswith(stack)],
        "layers": [x["LayerName"] for x in lam.list_layers()["Layers"] if x["LayerName"].startswith(stack)],
        "queues": [u for u in sqs.list_queues(QueueNamePrefix=stack).get("QueueUrls", [])],
        "rules": [r["Name"] for r in events.list_rules(NamePrefix=stack)["Rules"]],
        "mappings": [m["UUID"] for m in lam.list_event_source_mappings()["EventSourceMappings"] if f":{stack}-" in m["FunctionArn"]],
        "domains": [d["domain"] for d in w.cli_json("route", "list")["domains"] if d["domain"].startswith(stack)],
        "stacks": [s["name"] for s in w.http("GET", "/martlet/v1/stacks").json["stacks"] if s["name"] == stack],
    }


def test_a_stack_from_its_plan_to_its_end(w, orders):
    arguments = ("--stack-name", "one", "--parameter-overrides", "Greeting=Hi")
    # The plan changes nothing.
    plan = deploy(w, orders, *arguments, "--dry-run")
    assert not plan["applied"] and len(plan["changes"]) == 10 and {c["action"] for c in plan["changes"]} == {"create"}
    assert not any(everything(w, "one").values())

    made = deploy(w, orders, *arguments)
    assert made["applied"] and actions(made) == actions(plan)
    outputs = made["outputs"]
    assert outputs["Url"] == f"http://one.api.localhost:{w.port}/orders" and outputs["ApiFunction"].endswith(":function:one-Api:live")

    # All of it works: the API through the alias, the queue's worker with the layer, the schedule's rule, the URL.
    answer = ask(w, "one", "POST", "/orders", b'{"id": 7}')
    assert (answer.status, answer.json) == (202, {"message": "Hi", "queue": "one-Orders", "id": "7"})
    assert ask(w, "one", "GET", "/orders/9").json == {"order": "9", "version": "1"}
    assert w.http("POST", "/", b'{"id": 1}', {"Host": outputs["Direct"].split("/")[2]}).status == 202
    w.boto(service="sqs").send_message(QueueUrl=outputs["Queue"], MessageBody='{"id": "a"}')
    wait_until(lambda: "order a is done" in w.logs("one-Worker"), 60, lambda: w.logs("one-Worker"))
    rule = w.boto(service="events").describe_rule(Name="one-WorkerHourly")
    assert rule["ScheduleExpression"] == "rate(1 hour)" and rule["State"] == "ENABLED"

    # Again: nothing to do, also from a machine that has seen none of it.
    again = deploy(w, orders, *arguments)
    assert again["changes"] == [] and again["outputs"] == outputs

    # One thing changes: only that is touched.
    worker = w.boto().get_function_configuration(FunctionName="one-Worker")["RevisionId"]
    text = orders.read_text()
    orders.write_text(text.replace("MemorySize: 256", "MemorySize: 512"))
    changed = deploy(w, orders, *arguments)
    assert actions(changed) == ["change function one-Worker"]
    assert changed["changes"][0]["differences"] == [{"property": "MemorySize", "present": 256, "wanted": 512}]
    assert w.boto().get_function_configuration(FunctionName="one-Worker")["RevisionId"] != worker
    assert ask(w, "one", "GET", "/orders/9").json["version"] == "1"

    # Code: a new version, and the alias goes with it.
    code = orders.parent / "api" / "app.py"
    code.write_text(code.read_text().replace('"order":', '"number":'))
    assert actions(deploy(w, orders, *arguments)) == ["change alias one-Api:live", "change function one-Api"]
    assert ask(w, "one", "GET", "/orders/9").json == {"number": "9", "version": "2"}

    # What leaves the template leaves the server, and nothing else does.
    parsed = orders.read_text().split("        Hourly:")
    orders.write_text(parsed[0] + parsed[1][parsed[1].index("\n  Common:"):])
    assert actions(deploy(w, orders, *arguments)) == ["delete rule default/one-WorkerHourly"]

    gone = w.cli_json("deploy", "--delete", "--stack-name", "one")
    assert {c["action"] for c in gone["changes"]} == {"delete"} and len(gone["changes"]) == 9
    assert not any(everything(w, "one").values()), everything(w, "one")


def test_a_layer_that_changes_takes_its_functions_along(w, orders):
    deploy(w, orders, "--stack-name", "lay")
    module = orders.parent / "common" / "python" / "orders.py"
    module.write_text(module.read_text().replace("needs an id", "needs its id"))
    assert actions(deploy(w, orders, "--stack-name", "lay")) == [
        "change alias lay-Api:live", "change function lay-Api", "change function lay-Worker", "change layer lay-Common"]
    assert deploy(w, orders, "--stack-name", "lay")["changes"] == []
    assert [x["Arn"][-2:] for x in w.boto().get_function_configuration(FunctionName="lay-Worker")["Layers"]] == [":2"]
    w.cli("deploy", "--delete", "--stack-name", "lay")


def test_drift_is_put_right(w, orders):
    deploy(w, orders, "--stack-name", "drift")
    w.boto().update_function_configuration(FunctionName="drift-Worker", Timeout=77)
    w.boto(service="events").disable_rule(Name="drift-WorkerHourly")
    w.cli("route", "remove", "POST /orders", "--domain", "drift.api.localhost")
    result = deploy(w, orders, "--stack-name", "drift")
    assert actions(result) == ["change domain drift.api.localhost", "change function drift-Worker", "change rule default/drift-WorkerHourly"]
    assert deploy(w, orders, "--stack-name", "drift")["changes"] == []
    w.cli("deploy", "--delete", "--stack-name", "drift")


def test_people_read_the_plan(w, orders):
    said = w.cli("deploy", "--template", orders, "--stack-name", "read", "--dry-run").stdout
    assert "stack read: 10 to create" in said and "+ function read-Worker" in said
    w.cli("deploy", "--template", orders, "--stack-name", "read")
    orders.write_text(orders.read_text().replace("MemorySize: 256", "MemorySize: 300"))
    said = w.cli("deploy", "--template", orders, "--stack-name", "read").stdout
    assert "~ function read-Worker" in said and "MemorySize: 256 → 300" in said and "as it should be" in said and "http://read.api.localhost" in said
    assert "nothing differs" in w.cli("deploy", "--template", orders, "--stack-name", "read").stdout
    w.cli("deploy", "--delete", "--stack-name", "read")


ALL_EVENTS = """
Transform: AWS::Serverless-2016-10-31
Resources:
  F:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3
      Handler: index.handler
      ReservedConcurrentExecutions: 3
      EventInvokeConfig: {MaximumRetryAttempts: 0, MaximumEventAgeInSeconds: 120}
      DeadLetterQueue: {Type: SQS, TargetArn: !GetAtt Q.Arn}
      Tags: {team: web}
      InlineCode: |
        import json
        def handler(event, context):
            print("event " + json.dumps(event.get("detail", {})))
            return {"statusCode": 200, "body": json.dumps({"path": event.get("path"), "version": event.get("version")})}
      Events:
        Rest: {Type: Api, Properties: {Path: "/r/{proxy+}", Method: any}}
        Placed: {Type: EventBridgeRule, Properties: {Pattern: {source: [shop]}, RetryPolicy: {MaximumRetryAttempts: 2}}}
        Nightly: {Type: ScheduleV2, Properties: {ScheduleExpression: "cron(0 3 * * ? *)", ScheduleExpressionTimezone: Europe/Berlin, Input: "{}"}}
  Q: {Type: AWS::SQS::Queue, Properties: {Tags: [{Key: a, Value: b}]}}
  Fifo: {Type: AWS::SQS::Queue, Properties: {FifoQueue: true, ContentBasedDeduplication: true}}
"""


def test_every_kind_of_event_comes_and_goes(w, tmp_path):
    template = tmp_path / "all.yaml"
    template.write_text(ALL_EVENTS)
    made = deploy(w, template, "--stack-name", "all")
    assert len(made["changes"]) == 7, actions(made)
    assert ask(w, "all-rest", "PUT", "/r/a/b").json == {"path": "/r/a/b", "version": None}
    w.boto(service="events").put_events(Entries=[{"Source": "shop", "DetailType": "x", "Detail": '{"n": 41}'}])
    wait_until(lambda: '"n": 41' in w.logs("all-F"), 60, lambda: w.logs("all-F"))
    schedule = w.boto(service="scheduler").get_schedule(Name="all-FNightly")
    assert schedule["ScheduleExpressionTimezone"] == "Europe/Berlin" and schedule["Target"]["Input"] == "{}"
    function = w.boto().get_function(FunctionName="all-F")
    assert function["Tags"] == {"team": "web"} and function["Concurrency"] == {"ReservedConcurrentExecutions": 3}
    assert function["Configuration"]["DeadLetterConfig"]["TargetArn"].endswith(":all-Q")
    assert deploy(w, template, "--stack-name", "all")["changes"] == []
    # Each of what may be set beside a function is changed on its own.
    template.write_text(
        ALL_EVENTS.replace("      ReservedConcurrentExecutions: 3\n", "").replace("team: web", "team: api").replace("MaximumRetryAttempts: 0,", "").replace("cron(0 3", "cron(0 4"))
    assert actions(deploy(w, template, "--stack-name", "all")) == [
        "change function all-F", "change invokeConfig all-F:$LATEST", "change schedule default/all-FNightly"]
    assert deploy(w, template, "--stack-name", "all")["changes"] == []
    w.cli("deploy", "--delete", "--stack-name", "all")
    assert not any(everything(w, "all").values()) and w.boto(service="scheduler").list_schedules(NamePrefix="all-")["Schedules"] == []


def test_what_cannot_be_deployed_changes_nothing(w, orders, tmp_path):
    broken = tmp_path / "broken.yaml"
    broken.write_text(ALL_EVENTS.replace("Type: AWS::SQS::Queue, Properties: {FifoQueue", "Type: AWS::DynamoDB::Table, Properties: {FifoQueue").replace("Tags: {team", "Nonsense: {team"))
    said = w.cli("deploy", "--template", broken, "--stack-name", "none", check=False)
    assert said.returncode == 1 and "nothing was changed" in said.stderr
    assert "Resources.Fifo.Type: AWS::DynamoDB::Table is not supported" in said.stderr and "Resources.F.Properties.Nonsense: is not supported" in said.stderr
    for text, words in (("a: [", "line 1"), (ALL_EVENTS.replace("python3", "python2.7"), "Resources.F: the server does not offer the runtime python2.7"),
                        (ALL_EVENTS.replace("InlineCode: |", "CodeUri: missing\n      Description: |"), "Resources.F: there is no file or folder")):
        broken.write_text(text)
        said = w.cli("deploy", "--template", broken, "--stack-name", "none", check=False)
        assert said.returncode == 1 and words in said.stderr, said.stderr
    assert not any(everything(w, "none").values())
    # Somebody else's function is not taken over.
    w.deploy("taken-Worker", "def handler(event, context): return 1", "--handler", "app.handler")
    said = w.cli("deploy", "--template", orders, "--stack-name", "taken", check=False)
    assert said.returncode == 1 and "taken-Worker is there already and not of this stack" in said.stderr
    assert w.cli("deploy", "--delete", "--stack-name", "none", check=False).returncode == 1
    for wrong in (["deploy"], ["deploy", "f", "--template", str(orders)], ["deploy", "--delete"]):
        assert w.cli(*wrong, check=False).returncode == 64


def test_a_deployment_that_ends_in_the_middle_goes_on(w, tmp_path):
    template = tmp_path / "half.yaml"
    # The mapping is refused by the server: its batch is larger than it may be without a window.
    text = ALL_EVENTS.replace("        Placed:", "        Queued: {Type: SQS, Properties: {Queue: !GetAtt Q.Arn, BatchSize: 100}}\n        Placed:")
    template.write_text(text)
    said = w.cli("deploy", "--template", template, "--stack-name", "half", check=False)
    assert said.returncode == 1 and "failed to create the mapping" in said.stderr and "FQueued" in said.stderr
    template.write_text(text.replace("BatchSize: 100", "BatchSize: 10"))
    rest = deploy(w, template, "--stack-name", "half")
    assert [c["kind"] for c in rest["changes"]] == ["mapping", "rule", "schedule"]
    w.cli("deploy", "--delete", "--stack-name", "half")
    assert not any(everything(w, "half").values())


class _Loader(yaml.SafeLoader):
    """CloudFormation's short tags."""


def _tag(loader, suffix, node):
    value = loader.construct_scalar(node) if isinstance(node, yaml.ScalarNode) else (
        loader.construct_sequence(node, True) if isinstance(node, yaml.SequenceNode) else loader.construct_mapping(node, True))
    if suffix in ("Ref", "Condition"):
        return {suffix: value}
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _tag)


@pytest.mark.parametrize("source", ["sample", "all"])
def test_a_template_becomes_what_sam_makes_of_it(w, tmp_path, source):
    """Against AWS's own transformation: the same functions, routes, rules, schedules and mappings with the same settings."""
    from samtranslator.parser.parser import Parser
    from samtranslator.translator.translator import Translator
    text = (SAMPLES / "OrdersTemplate" / "template.yaml").read_text() if source == "sample" else ALL_EVENTS
    parsed = yaml.load(text.replace("Runtime: python3\n", "Runtime: python3.11\n").replace("CodeUri: ", "CodeUri: s3://b/").replace("ContentUri: ", "ContentUri: s3://b/"), _Loader)

    session = boto3.session.Session(region_name="us-east-1")
    translated = Translator({}, Parser(), boto_session=session).translate(parsed, {"AWS::Region": "us-east-1"})["Resources"]

    def of(kind):
        return {k: v["Properties"] for k, v in translated.items() if v["Type"] == kind}

    folder = tmp_path / "sam"
    shutil.copytree(SAMPLES / "OrdersTemplate", folder)
    (folder / "t.yaml").write_text(text)
    stack = f"sam{source}"
    deploy(w, folder / "t.yaml", "--stack-name", stack)
    lam = w.boto()
    try:
        for id, properties in of("AWS::Lambda::Function").items():
            mine = lam.get_function_configuration(FunctionName=f"{stack}-{id}")
            for name in ("Handler", "MemorySize", "Timeout"):
                if name in properties:
                    assert mine[name] == properties[name], (id, name)
            assert set(mine.get("Environment", {}).get("Variables", {})) == set(properties.get("Environment", {}).get("Variables", {}))
            assert len(mine.get("Layers", [])) == len(properties.get("Layers", []))
        aliases = {p["Name"] for p in of("AWS::Lambda::Alias").values()}
        assert {a["Name"] for f in of("AWS::Lambda::Function") for a in lam.list_aliases(FunctionName=f"{stack}-{f}")["Aliases"]} == aliases
        rules = of("AWS::Events::Rule")
        for id, properties in rules.items():
            mine = w.boto(service="events").describe_rule(Name=f"{stack}-{id}")
            assert mine.get("ScheduleExpression") == properties.get("ScheduleExpression")
            assert json.loads(mine.get("EventPattern", "null")) == properties.get("EventPattern")
            target, = w.boto(service="events").list_targets_by_rule(Rule=f"{stack}-{id}")["Targets"]
            assert target["Id"] == properties["Targets"][0]["Id"] and target.get("Input") == properties["Targets"][0].get("Input")
        for id, properties in of("AWS::Scheduler::Schedule").items():
            mine = w.boto(service="scheduler").get_schedule(Name=f"{stack}-{id}")
            for name in ("ScheduleExpression", "ScheduleExpressionTimezone", "State", "FlexibleTimeWindow"):
                if name in properties:
                    assert mine[name] == properties[name]
        mappings = [m for m in lam.list_event_source_mappings()["EventSourceMappings"] if f":{stack}-" in m["FunctionArn"]]
        assert sorted((m["BatchSize"], m["FunctionResponseTypes"]) for m in mappings) == sorted(
            (p["BatchSize"], p.get("FunctionResponseTypes", [])) for p in of("AWS::Lambda::EventSourceMapping").values())
        routes = set()
        for api in of("AWS::ApiGatewayV2::Api").values():
            routes |= {f"{m.upper()} {path}" for path, methods in api["Body"]["paths"].items() for m in methods if m != "options"}
        for api in of("AWS::ApiGateway::RestApi").values():
            routes |= {f"{'ANY' if m.startswith('x-') else m.upper()} {path}" for path, methods in api["Body"]["paths"].items() for m in methods}
        mine = {r["route"] for d in w.cli_json("route", "list")["domains"] if d["domain"].startswith(stack) for r in d["routes"]}
        assert mine == routes
        urls = of("AWS::Lambda::Url")
        assert len(urls) == (1 if source == "sample" else 0)
        for properties in urls.values():
            assert properties["TargetFunctionArn"] == {"Ref": "ApiAliaslive"}
            url = lam.get_function_url_config(FunctionName=f"{stack}-Api", Qualifier="live")
            assert url["AuthType"] == properties["AuthType"]
        assert {p["Action"] for p in of("AWS::Lambda::Permission").values()} <= {"lambda:InvokeFunction", "lambda:InvokeFunctionUrl"}
    finally:
        w.cli("deploy", "--delete", "--stack-name", stack)
