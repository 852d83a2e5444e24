"""What functions with a network reach and what not, shown by traffic between namespaces that the tests make."""

import json
import os
import shutil
import signal
import threading

import pytest
from botocore.exceptions import ClientError

from harness.networks import inside, networks, reaches, run
from harness.processes import network_interfaces, wait_until
from harness.world import ACCOUNT, SAMPLES, world

pytestmark = pytest.mark.root

PROBE = """
import errno, json, os, socket, urllib.request

def tcp(host, port=80, timeout=3):
    try:
        with socket.create_connection((host, port), timeout):
            return "reached"
    except OSError as error:
        return errno.errorcode.get(error.errno, type(error).__name__)

def get(url):
    return urllib.request.urlopen(url, timeout=5).read().decode()

def udp(host, port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"from a function", (host, port))
    return "sent"

def own(_=None):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("203.0.113.80", 9))
        return probe.getsockname()[0]

def serve(report):
    "Listens, says where, and ends when it is told to."
    with socket.create_server(("0.0.0.0", 7000)) as listener:
        get(f"{report}/at/{own()}")
        listener.settimeout(0.05)
        while get(f"{report}/end") != "yes":
            try:
                listener.accept()
                return "somebody came"
            except TimeoutError:
                pass
    return "nobody came"

def interfaces(_=None):
    return sorted(name for _, name in socket.if_nameindex())

def handler(event, context):
    return [globals()[what](*arguments) for what, *arguments in event]
"""

REFUSED = ("ECONNREFUSED", "TimeoutError", "ETIMEDOUT", "EHOSTUNREACH")


@pytest.fixture(scope="module")
def net():
    with networks() as made:
        yield made


@pytest.fixture(scope="module")
def w(scratch, net):
    """A server on a host whose /etc/resolv.conf names a cache on loopback, as systemd's does."""
    folder = scratch / "network"
    folder.mkdir()
    (folder / "stub").write_text("nameserver 127.0.0.53\n")
    (folder / "real").write_text(f"# systemd's own\nnameserver {net.NAMES}\n")
    script = (f"mount -t tmpfs none /run && mkdir -p /run/systemd/resolve && cp {folder}/real /run/systemd/resolve/resolv.conf && "
              f"mount --bind {folder}/stub /etc/resolv.conf && exec \"$@\"")
    with world(folder / "world", environment={"MARTLET_NETWORK_DEFAULT": "egress"}, wrapper=["unshare", "-m", "sh", "-c", script, "sh"]) as made:
        made.create("probe", PROBE)
        yield made


def ask(w, *what, function="probe"):
    return w.call(function, [list(one) for one in what])


def sandbox_links():
    return {name for name in network_interfaces() if name.startswith("mt")}


def test_the_internet_is_reached_by_address_and_by_name(w, net):
    assert ask(w, ("get", f"http://{net.WEB}/"), ("get", "http://web.test/")) == [net.HOST, net.HOST]


def test_init_has_the_network_too(w, net):
    w.create("early", PROBE + f"\nfound = get('http://{net.WEB}/')\ndef handler(event, context):\n    return found\n")
    assert w.call("early") == net.HOST
    assert w.describe("early")["forkable"] is True, w.describe("early")


def test_no_address_of_the_host_is_reached(w, net):
    for address in (net.HOST, net.INNER_HOST, "127.0.0.1"):
        assert reaches(address, 8080), f"the test's own listener on {address} does not answer"
    server = [("tcp", address, w.port) for address in (net.HOST, net.INNER_HOST, "127.0.0.1")]
    answers = ask(w, ("tcp", net.HOST, 8080), ("tcp", net.INNER_HOST, 8080), ("tcp", "198.18.0.1", 8080), ("tcp", "127.0.0.1", 8080), *server)
    assert all(answer in REFUSED for answer in answers), answers


def test_what_lies_around_the_host_is_not_reached(w, net):
    for address in (net.METADATA, net.PRIVATE, net.NEIGHBOUR):
        assert reaches(address), f"the host itself does not reach {address}"
    answers = ask(w, *(("tcp", address) for address in (net.METADATA, net.PRIVATE, net.NEIGHBOUR, "0.0.0.0", "224.0.0.1", "255.255.255.255")))
    assert "reached" not in answers, answers
    # The name server's address is reached on its one port.
    assert ask(w, ("tcp", net.NAMES, 80)) == ["ECONNREFUSED"]


def test_another_sandbox_is_not_reached(w, net):
    net.web.say["/end"] = "no"
    w.create("listener", PROBE, timeout=120)
    heard = []
    thread = threading.Thread(target=lambda: heard.append(ask(w, ("serve", f"http://{net.WEB}"), function="listener")))
    thread.start()
    try:
        def at():
            return next((path[4:] for path in net.web.paths if path.startswith("/at/")), None)
        address = wait_until(at, 60, "the function that listens says where")
        assert address.startswith("198.18.") or address.startswith("198.19.")
        assert ask(w, ("tcp", address, 7000))[0] in REFUSED
        # Nor from the networks around the host.
        for other in (net.neighbour, net.internet):
            run("ip", "-n", other, "route", "replace", address, "via", net.INNER_HOST if other == net.neighbour else net.HOST)
            with inside(other):
                assert not reaches(address, 7000, limit=1)
    finally:
        net.web.say["/end"] = "yes"
        thread.join()
    assert heard == [["nobody came"]]


def test_the_host_forwards_for_functions_alone(w, net):
    ask(w, ("get", f"http://{net.WEB}/"))
    with inside(net.internet):
        assert not reaches(net.NEIGHBOUR, limit=1)
    with inside(net.neighbour):
        assert not reaches(net.WEB, limit=1)


def test_a_function_without_a_network_reaches_nobody(w, net):
    w.create("alone", PROBE, Tags={"martlet:network": "none"})
    answers = ask(w, ("interfaces",), ("tcp", net.WEB), ("tcp", net.HOST, 8080), function="alone")
    assert answers == [["lo"], "ENETUNREACH", "ENETUNREACH"]
    assert w.describe("alone")["network"] == "none"


def test_tags_change_the_network_of_a_function(w, net):
    client = w.boto()
    arn = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:tagged"
    w.create("tagged", PROBE)
    assert ask(w, ("tcp", net.WEB), function="tagged") == ["reached"]
    client.tag_resource(Resource=arn, Tags={"martlet:network": "none", "team": "a"})
    assert ask(w, ("tcp", net.WEB), function="tagged") == ["ENETUNREACH"]
    client.untag_resource(Resource=arn, TagKeys=["martlet:network"])
    assert ask(w, ("tcp", net.WEB), function="tagged") == ["reached"]
    client.tag_resource(Resource=arn, Tags={"martlet:isolation": "environment"})
    assert w.describe("tagged")["isolation"] == "environment"
    assert len({ask(w, ("own",), function="tagged")[0] for _ in range(3)}) == 1
    client.untag_resource(Resource=arn, TagKeys=["martlet:isolation"])
    assert w.describe("tagged")["isolation"] == "invocation"
    assert client.list_tags(Resource=arn)["Tags"] == {"team": "a"}


@pytest.mark.parametrize("tags", [{"martlet:network": "all"}, {"martlet:isolation": "none"}])
def test_a_tag_with_another_value_is_refused(w, tags):
    client = w.boto()
    with pytest.raises(ClientError, match=next(iter(tags))) as refusal:
        w.create("refused", PROBE, Tags=tags)
    assert refusal.value.response["Error"]["Code"] == "InvalidParameterValueException"
    w.create("kept", PROBE)
    with pytest.raises(client.exceptions.InvalidParameterValueException):
        client.tag_resource(Resource=f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:kept", Tags=tags)
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.get_function(FunctionName="refused")


def test_deploy_sets_the_network_and_describe_tells_it(w, net):
    w.deploy("shown", PROBE, "--network", "none")
    assert "none" in next(line for line in w.cli("describe", "shown").stdout.splitlines() if line.startswith("network"))
    assert ask(w, ("tcp", net.WEB), function="shown") == ["ENETUNREACH"]
    w.deploy("shown", PROBE, "--network", "egress")
    assert w.cli_json("describe", "shown")["network"] == "egress"
    assert ask(w, ("tcp", net.WEB), function="shown") == ["reached"]


def test_a_function_that_says_nothing_costs_no_interface(w):
    w.create("quiet", PROBE)
    # Each worker that is kept ready has an interface, and the pool keeps more of them the faster requests come.
    w.boto().put_function_concurrency(FunctionName="quiet", ReservedConcurrentExecutions=2)
    ask(w, ("interfaces",), function="quiet")
    before = sandbox_links()
    for _ in range(30):
        assert ask(w, ("interfaces",), function="quiet") == [["eth0", "lo"]]
    # Untouched networks come back with their way out; a few are made ahead.
    assert len(sandbox_links() - before) <= 8


def test_who_talks_has_an_address_that_nobody_had_just_before(w, net):
    addresses = [ask(w, ("own",), ("get", f"http://{net.WEB}/"))[0] for _ in range(20)]
    assert len(set(addresses)) == len(addresses)


def test_a_runtime_of_ones_own_has_the_network(w, net):
    bootstrap = f"""\
        #!/bin/sh
        curl -sS -m 60 -D /tmp/head -o /tmp/event "http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation/next"
        while IFS=': ' read -r name value; do
            case $name in [Ll]ambda-[Rr]untime-[Aa]ws-[Rr]equest-[Ii]d) id=$(printf %s "$value" | tr -d '\\r') ;; esac
        done < /tmp/head
        printf '"%s"' "$(curl -sS -m 5 http://web.test/)" | curl -sS -m 5 --data-binary @- "http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation/$id/response"
    """
    w.create("own-runtime", {"bootstrap": bootstrap}, runtime="provided", handler="any")
    assert [w.call("own-runtime") for _ in range(2)] == [net.HOST] * 2


def rules():
    return run("nft", "list", "ruleset")


def forwarding(interface):
    with open(f"/proc/sys/net/ipv4/conf/{interface}/forwarding") as file:
        return file.read().strip()


def kill_at_once(world):
    """Nobody has time to undo anything."""
    family = world.family()
    both = [process for process in family.all if process.pid in (family.server, family.helper)]
    os.kill(family.helper, signal.SIGSTOP)
    for pid in (world.process.pid, family.helper):
        os.kill(pid, signal.SIGKILL)
    world.process.wait()
    wait_until(lambda: all(process.has_ended for process in both), 60, "server and helper ended")


def verdicts():
    """What the table says, without what it counts."""
    return [line.strip() for line in rules().splitlines() if any(word in line for word in ("accept", "drop", "refuse", "masquerade"))]


@pytest.mark.parametrize("words", [["flush", "ruleset"], ["flush", "table", "inet"], ["delete", "table", "inet"]], ids=" ".join)
def test_rules_that_somebody_takes_away_are_loaded_again(w, net, words):
    """As who restarts nftables does; what runs keeps its network."""
    w.create("stays", PROBE, Tags={"martlet:isolation": "environment"})
    address, _ = ask(w, ("own",), ("get", f"http://{net.WEB}/"), function="stays")
    before, [table] = verdicts(), tables()
    run("nft", *words, *([table] if words[-1] == "inet" else []))
    wait_until(lambda: verdicts() == before, 60, "the rules are there again")
    loaded = handle(table)
    for function in ("stays", "probe"):
        answers = ask(w, ("tcp", net.HOST, 8080), ("tcp", net.NEIGHBOUR), ("get", f"http://{net.WEB}/"), ("own",), function=function)
        assert answers[:3] == ["ECONNREFUSED", "ECONNREFUSED", net.HOST], answers
        assert (answers[3] == address) == (function == "stays"), "its network was made anew"
    assert handle(table) == loaded, "what the server itself loads does not make it load again"


def tables():
    return [line.split()[2] for line in run("nft", "list", "tables").splitlines() if "martlet_" in line]


def handle(table):
    return next(line for line in run("nft", "-a", "list", "table", "inet", table).splitlines() if line.startswith("table"))


def test_where_the_rules_cannot_be_loaded_nobody_is_reached(scratch, net):
    folder = scratch / "broken"
    folder.mkdir()
    shutil.copy("/usr/sbin/nft", folder / "real")
    (folder / "nft").write_text(f'#!/bin/sh\n[ -e {folder}/broken ] && {{ echo "Error: broken" >&2; exit 1; }}\nexec {folder}/real "$@"\n')
    (folder / "nft").chmod(0o755)
    mount = f"mount --bind {folder}/nft /usr/sbin/nft && exec \"$@\""
    config = {"network": {"nameServers": [net.NAMES], "range": "198.19.130.0/24"}}
    others = tables()
    environment, wrapper = {"MARTLET_NETWORK_DEFAULT": "egress"}, ["unshare", "-m", "sh", "-c", mount, "sh"]
    with world(folder / "world", environment=environment, config=config, wrapper=wrapper) as made:
        made.create("stays", PROBE, Tags={"martlet:isolation": "environment"})
        address, _ = ask(made, ("own",), ("get", f"http://{net.WEB}/"), function="stays")
        [table] = set(tables()) - set(others)

        def links_up():
            shown = [one.get("ifname", "") for one in json.loads(run("ip", "-j", "link", "show", "up"))]
            return [name for name in shown if name.startswith(f"mt{table[-4:]}-")]
        assert links_up()
        (folder / "broken").touch()
        run("nft", "delete", "table", "inet", table)
        wait_until(lambda: not links_up(), 60, lambda: f"interfaces are down: {links_up()}")
        answers = ask(made, ("tcp", net.HOST, 8080, 0.3), ("tcp", net.WEB, 80, 0.3), function="stays")
        assert "reached" not in answers, answers
        made.create("late", PROBE)
        made.invoke("late", [])
        assert not links_up() and "until its rules can be loaded" in made.log_text()
        assert "none are made any more" not in made.log_text(), "one function without its network is no reason to give up spares"
        (folder / "broken").unlink()
        wait_until(links_up, 60, "interfaces are up again")
        answers = ask(made, ("get", f"http://{net.WEB}/"), ("tcp", net.HOST, 8080), ("own",), function="stays")
        assert answers == [net.HOST, "ECONNREFUSED", address], answers
        # What began without a network may still have to fail.
        wait_until(lambda: made.invoke("late", [["get", f"http://{net.WEB}/"]]).json == [net.HOST], 60, "a function that failed to start starts")


def test_nothing_is_left_and_a_kill_leaves_nothing_for_long(scratch, net):
    assert forwarding("all") == "0"
    before, links = rules().count("table inet martlet_"), sandbox_links()
    config = {"network": {"nameServers": [net.NAMES], "interfaces": ["up0", "lan0"], "range": "198.19.128.0/24"}}
    with world(scratch / "killed", environment={"MARTLET_NETWORK_DEFAULT": "egress"}, config=config) as made:
        made.create("probe", PROBE)
        assert ask(made, ("get", "http://web.test/")) == [net.HOST]
        assert rules().count("table inet martlet_") == before + 1 and forwarding("lan0") == "1"
        kill_at_once(made)
        assert rules().count("table inet martlet_") == before + 1 and forwarding("lan0") == "1"
        made.start()
        assert ask(made, ("get", "http://web.test/")) == [net.HOST]
        assert rules().count("table inet martlet_") == before + 1
        # Nor does it take a function that has a network to undo what a kill left.
        kill_at_once(made)
        assert rules().count("table inet martlet_") == before + 1 and forwarding("lan0") == "1"
        made.environment["MARTLET_NETWORK_DEFAULT"] = "none"
        made.start()
        assert rules().count("table inet martlet_") == before and forwarding("lan0") == "0"
        assert ask(made, ("interfaces",)) == [["lo"]]
    assert rules().count("table inet martlet_") == before
    assert sandbox_links() - links == set() and forwarding("lan0") == "0" and forwarding("all") == "0"


def test_beside_docker_and_with_private_networks_allowed(scratch, net):
    """Docker lets nothing be forwarded that no rule of it accepts, and leaves a chain for others' rules."""
    iptables, others = ["iptables", "-w"], tables()
    for words in (["-N", "DOCKER-USER"], ["-A", "DOCKER-USER", "-j", "RETURN"], ["-A", "FORWARD", "-j", "DOCKER-USER"], ["-P", "FORWARD", "DROP"]):
        run(*iptables, *words)
    try:
        config = {"network": {"allowed": [f"{net.PRIVATE}/32", "172.16.0.0/12"], "nameServers": [net.NAMES], "range": "198.19.129.0/24", "interfaces": ["up0", "lan0"]}}
        with world(scratch / "docker", environment={"MARTLET_NETWORK_DEFAULT": "egress"}, config=config) as made:
            made.create("probe", PROBE)
            answers = ask(made, ("get", "http://private.test/"), ("tcp", net.NEIGHBOUR), ("tcp", net.METADATA), ("tcp", net.INNER_HOST, 8080))
            assert answers[:2] == [net.HOST, "reached"] and "reached" not in answers[2:], answers
            [table] = set(tables()) - set(others)

            def own():
                return [rule for rule in run(*iptables, "-S", "DOCKER-USER").splitlines() if f" mt{table[-4:]}-+ -j ACCEPT" in rule]
            assert len(own()) == 2
            for words in (["-F", "DOCKER-USER"], ["-A", "DOCKER-USER", "-j", "RETURN"]):
                run(*iptables, *words)
            wait_until(lambda: len(own()) == 2, 60, "what Docker took away is there again")
        assert not own() and "-A DOCKER-USER -j RETURN" in run(*iptables, "-S", "DOCKER-USER")
    finally:
        for words in (["-P", "FORWARD", "ACCEPT"], ["-F", "FORWARD"], ["-F", "DOCKER-USER"], ["-X", "DOCKER-USER"]):
            run(*iptables, *words, check=False)


def test_doctor_says_what_functions_reach(w, net):
    facts = json.loads(w.cli("doctor", "--json").stdout)
    assert "up0" in facts["egress"], facts


def test_without_the_packet_filter_there_is_no_network(scratch, net):
    """Functions run all the same, and who asks hears why they have none."""
    hide = "for at in /usr/sbin/nft /sbin/nft; do mount --bind /dev/null $at; done; exec \"$@\""
    with world(scratch / "without", environment={"MARTLET_NETWORK_DEFAULT": "egress"}, wrapper=["unshare", "-m", "sh", "-c", hide, "sh"]) as made:
        made.create("probe", PROBE)
        assert ask(made, ("interfaces",), ("tcp", net.WEB)) == [["lo"], "ENETUNREACH"]
        assert made.describe("probe")["network"].startswith("none, because")
        assert "nftables" in made.log_text()


def test_nothing_of_one_invocation_is_left_to_the_next(w):
    """The leak probe's marks, among them sockets and connections, in networks with a way out."""
    w.cli("deploy", "marks", SAMPLES / "LeakProbe", "--timeout", "10")
    answers = [w.call("marks", {"number": number}) for number in range(40)]
    assert all(answer["marks"] and not answer["findings"] for answer in answers), [answer["findings"] for answer in answers if answer["findings"]][:3]


def test_what_talked_is_gone_with_its_interface(w, net):
    for _ in range(10):
        ask(w, ("get", f"http://{net.WEB}/"))
    talked = sandbox_links()
    for _ in range(10):
        ask(w, ("get", f"http://{net.WEB}/"))
    # Those that are left are of templates, workers that wait, and namespaces made ahead.
    wait_until(lambda: len(talked & sandbox_links()) < len(talked), 60, lambda: f"interfaces end: {talked & sandbox_links()}")

    def tracked():
        with open("/proc/self/net/nf_conntrack") as file:
            return {line.split("src=")[1].split()[0] for line in file if "dst=203.0.113.80" in line}
    seen = tracked()
    assert seen
    wait_until(lambda: not seen <= tracked(), 60, lambda: f"connections of those who are gone are forgotten: {tracked()}", 0.2)


def test_who_makes_the_host_a_router_is_not_hindered(w, net):
    """As Docker does when it starts. The last test: the kernel's switch is one for all interfaces, back as well."""
    ask(w, ("get", f"http://{net.WEB}/"))
    with inside(net.internet):
        assert not reaches(net.NEIGHBOUR, limit=1)
    with open("/proc/sys/net/ipv4/ip_forward", "w") as file:
        file.write("1")

    def routed():
        with inside(net.internet):
            return reaches(net.NEIGHBOUR, limit=1)
    wait_until(routed, 60, "packets of others pass")
    assert ask(w, ("get", f"http://{net.WEB}/"), ("tcp", net.NEIGHBOUR)) == [net.HOST, "ECONNREFUSED"]
    w.stop()
    assert forwarding("all") == "1" and forwarding("up0") == "1", "what somebody else set is not ours to undo"
