"""Routes: requests to a domain reach their function in API Gateway's formats, and nothing of the server's own is shadowed."""

import json

import pytest

SHOW = """
import json
def handler(event, context):
    do = (event.get("queryStringParameters") or {}).get("do")
    if do == "plain": return {"hello": "world"}
    if do == "cookies": return {"statusCode": 201, "cookies": ["a=1", "b=2"], "body": "ok"}
    if do == "multi": return {"statusCode": 200, "multiValueHeaders": {"Set-Cookie": ["a=1", "b=2"]}, "headers": {"X-One": "1"}, "body": "ok"}
    if do == "raise": raise ValueError("no")
    return {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": json.dumps(event)}
"""


def ask(w, domain, method, path, body=None, **headers):
    return w.http(method, path, body, {"Host": f"{domain}:{w.port}", **{k.replace("_", "-"): v for k, v in headers.items()}})


@pytest.fixture(scope="module")
def shop(w):
    w.deploy("shop", SHOW, "--handler", "app.handler")
    domain = "shop.api.localhost"
    for route in ("GET /orders/{id}", "ANY /files/{path+}", "POST /orders"):
        w.cli("route", "add", route, "shop", "--domain", domain)
    w.cli("route", "add", "ANY /old/{proxy+}", "shop", "--domain", domain, "--payload", "1.0")
    return domain


def test_format_2_reaches_the_function(w, shop):
    event = ask(w, shop, "GET", "/orders/a%20b?x=1&x=2", Cookie="k=v").json
    assert event["version"] == "2.0" and event["routeKey"] == "GET /orders/{id}" and event["pathParameters"] == {"id": "a b"}
    assert event["queryStringParameters"] == {"x": "1,2"} and event["cookies"] == ["k=v"]
    assert event["requestContext"]["domainName"] == shop and event["requestContext"]["accountId"] == "123456789012"
    assert ask(w, shop, "DELETE", "/files/a/b.txt").json["pathParameters"] == {"path": "a/b.txt"}


def test_format_1_reaches_the_function(w, shop):
    event = ask(w, shop, "PUT", "/old/a/b?x=1&x=2", b"{}").json
    assert event["version"] == "1.0" and event["resource"] == "/old/{proxy+}" and event["path"] == "/old/a/b" and event["httpMethod"] == "PUT"
    assert event["multiValueQueryStringParameters"] == {"x": ["1", "2"]} and event["queryStringParameters"] == {"x": "2"} and event["body"] == "{}"


def test_answers_of_both_formats(w, shop):
    assert ask(w, shop, "GET", "/orders/1?do=plain").json == {"hello": "world"}
    answer = ask(w, shop, "GET", "/orders/1?do=cookies")
    assert answer.status == 201 and answer.headers.get_all("Set-Cookie") == ["a=1", "b=2"]
    answer = ask(w, shop, "GET", "/old/1?do=multi")
    assert answer.status == 200 and answer.headers.get_all("Set-Cookie") == ["a=1", "b=2"] and answer.headers["X-One"] == "1"
    answer = ask(w, shop, "GET", "/old/1?do=plain")
    assert answer.status == 502 and answer.json == {"message": "Internal server error"}
    assert ask(w, shop, "GET", "/orders/1?do=raise").status == 502


def test_what_no_route_takes_is_not_found(w, shop):
    for method, path in (("GET", "/"), ("POST", "/orders/1"), ("GET", "/orders"), ("GET", "/martlet/v1/health"), ("GET", "/fn/shop/")):
        answer = ask(w, shop, method, path)
        assert (answer.status, answer.json) == (404, {"message": "Not Found"}), (method, path)
    # Another host is the server's own.
    assert w.http("GET", "/martlet/v1/health").json == {"status": "ready"}


def test_curl_finds_the_domain_by_its_name(w, shop):
    import subprocess
    said = subprocess.run(["curl", "-sS", "-m", "30", f"http://{shop}:{w.port}/orders/7"], capture_output=True, text=True, check=True)
    assert json.loads(said.stdout)["pathParameters"] == {"id": "7"}


def test_routes_are_listed_and_removed(w, name):
    w.deploy(name, SHOW, "--handler", "app.handler")
    domain = f"{name.lower()[-20:].strip('-')}.api.localhost"
    made = w.cli_json("route", "add", "GET /a", name, "--domain", domain)
    assert made["url"] == f"http://{domain}:{w.port}" and len(made["id"]) == 10
    w.cli("route", "add", "GET /b", name, "--domain", domain)
    listed, = w.cli_json("route", "list", "--domain", domain)["domains"]
    assert [(r["route"], r["function"], r["payloadFormat"]) for r in listed["routes"]] == [("GET /a", name, "2.0"), ("GET /b", name, "2.0")]
    lines = [line for line in w.cli("route", "list").stdout.splitlines() if line.startswith(domain)]
    assert len(lines) == 2 and lines[0].index("GET /a") == lines[1].index("GET /b")
    w.cli("route", "remove", "GET /a", "--domain", domain)
    assert ask(w, domain, "GET", "/a").status == 404 and ask(w, domain, "GET", "/b").status == 200
    w.cli("route", "remove", "--all", "--domain", domain)
    assert w.cli("route", "list", "--domain", domain, check=False).returncode == 1
    assert ask(w, domain, "GET", "/b").status != 200


def test_a_rest_domain_is_as_its_owner_sets_it(w, name):
    w.deploy(name, SHOW, "--handler", "app.handler")
    w.cli("route", "domain", "rest.api.localhost", "--kind", "rest", "--variable", "table=orders", "--cors-origins", "https://shop.example")
    w.cli("route", "add", "GET /v", name, "--domain", "rest.api.localhost")
    event = ask(w, "rest.api.localhost", "GET", "/v", X_Case="1").json
    assert "version" not in event and event["stageVariables"] == {"table": "orders"} and event["requestContext"]["stage"] == "Prod"
    assert event["headers"]["X-Case"] == "1"
    answer = ask(w, "rest.api.localhost", "OPTIONS", "/v", Origin="https://shop.example", Access_Control_Request_Method="GET")
    assert answer.status == 204 and answer.headers["Access-Control-Allow-Origin"] == "https://shop.example"
    assert ask(w, "rest.api.localhost", "GET", "/w").json == {"message": "Missing Authentication Token"}


@pytest.mark.parametrize("arguments, words", [
    (["GET a", "shop"], "METHOD /path"), (["GET /a/{b+}/c", "shop"], "last segment"), (["GET /a", "none"], "none"),
    (["GET /a", "shop", "--qualifier", "7"], "7"), (["GET /a", "shop", "--domain", "x.fn.localhost"], "server's own"),
    (["GET /a", "shop", "--domain", "127.0.0.1"], "domain name"), (["GET /a", "shop", "--payload", "3.0"], "1.0, 2.0"),
    (["GET /orders/{other}", "shop", "--domain", "shop.api.localhost"], "take the same requests"),
])
def test_wrong_routes_are_refused_in_words(w, shop, arguments, words):
    said = w.cli("route", "add", *arguments, check=False)
    assert said.returncode == 1 and words in said.stderr, said.stderr


def test_requests_are_metered_as_routes(w, shop):
    answer = ask(w, shop, "GET", "/orders/9")
    rows = w.http("GET", f"/martlet/v1/usage/invocations/{answer.request_id}").json["rows"]
    assert [row["trigger"] for row in rows] == ["route"]
    entry = next(t for t in w.cli_json("triggers")["triggers"] if t["name"] == f"{shop} GET /orders/{{id}}")
    assert entry["kind"] == "route" and entry["function"] == "shop" and entry["events"] > 0


def test_routes_outlive_a_kill(make_world):
    own = make_world()
    own.deploy("f", SHOW, "--handler", "app.handler")
    own.cli("route", "add", "GET /x/{y}", "f")
    before = own.cli_json("route", "list")
    own.kill()
    own.start()
    assert own.cli_json("route", "list") == before
    assert ask(own, "api.localhost", "GET", "/x/1").json["pathParameters"] == {"y": "1"}


def test_a_tenants_domains_are_its_own(make_world):
    own = make_world(dev=False)
    own.cli("tenant", "create", "shop")
    key = own.cli_json("key", "create", "shop")
    theirs = {"AWS_ACCESS_KEY_ID": key["accessKeyId"], "AWS_SECRET_ACCESS_KEY": key["secretAccessKey"]}
    folder = own.folder / "f"
    folder.mkdir()
    (folder / "app.py").write_text(SHOW)
    own.cli("deploy", "f", folder, "--handler", "app.handler", environment=theirs)
    own.cli("route", "add", "GET /x", "f", "--domain", "theirs.api.localhost", environment=theirs)
    # Nobody signs a request to a domain.
    assert ask(own, "theirs.api.localhost", "GET", "/x").json["requestContext"]["accountId"] == key["account"]
    assert own.cli_json("route", "list")["domains"] == []
    for domain, words in (("api.localhost", "belongs to account"), ("shop.example", "only the operator")):
        said = own.cli("route", "add", "GET /x", "f", "--domain", domain, check=False, environment=theirs)
        assert said.returncode == 1 and words in said.stderr
    own.cli("route", "domain", "shop.example", "--tenant", key["account"])
    own.cli("route", "add", "GET /x", "f", "--domain", "shop.example", environment=theirs)
    assert ask(own, "shop.example", "GET", "/x").status == 200
    own.cli("tenant", "suspend", "shop")
    assert ask(own, "shop.example", "GET", "/x").json == {"message": "Forbidden"}
