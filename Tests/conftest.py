import collections
import os
import pathlib
import shutil
import tempfile

import pytest

from harness import processes
from harness.world import MARTLET, World, world


# A test so marked takes as long as that many others.
LONG = 100


def pytest_configure(config):
    processes.become_subreaper()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    if config.getvalue("dist") != "loadfile":
        return None
    from harness.distribution import ByServer
    return ByServer(config, log)


def pytest_collection_modifyitems(items):
    # What takes minutes, or has a time limit of its own, begins first: whoever comes to it last has everybody wait.
    weights = collections.Counter()
    for item in items:
        weights[item.path] += LONG if item.get_closest_marker("long") or item.get_closest_marker("timeout") else 1
    items.sort(key=lambda item: -weights[item.path])
    if os.geteuid() != 0:
        for item in items:
            if item.get_closest_marker("root"):
                item.add_marker(pytest.mark.skip(reason="needs root"))


@pytest.fixture(scope="session", autouse=True)
def built():
    if not MARTLET.exists():
        pytest.exit(f"{MARTLET} is missing: run `swift build -c release --static-swift-stdlib` first", 2)


@pytest.fixture(scope="session")
def scratch():
    """A folder that every user may enter, so that data directories below it are not special."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="martlet-test-", dir=os.environ.get("TMPDIR", "/tmp")))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def make_world(scratch, request):
    """Makes worlds of a test's own; they end in reverse order."""
    import contextlib
    with contextlib.ExitStack() as stack:
        count = iter(range(1000))

        def make(**options) -> World:
            name = "".join(c if c.isalnum() else "-" for c in request.node.name)[:40]
            return stack.enter_context(world(scratch / f"{name}-{next(count)}", **options))
        yield make


@pytest.fixture(scope="module")
def w(scratch, request):
    """One development-mode server for all tests of a module."""
    with world(scratch / f"{request.module.__name__}") as made:
        yield made


@pytest.fixture
def name(request):
    """A function name of the test's own."""
    import uuid
    text = "".join(c if c.isalnum() else "-" for c in request.node.name)[:40]
    return f"{text}-{uuid.uuid4().hex[:6]}"
