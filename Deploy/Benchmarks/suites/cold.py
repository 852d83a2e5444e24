"""From nothing in memory to the first answer."""

import pathlib

import containers
import programs
from harness.world import SAMPLES, zip_of
from measure import BODY, Skip, Target, hello_code, invocations, load, samples, subject
from .fresh import deploy_node, native_folder

SPAWN = "python3, fork + exec"


def run(bench):
    w = bench.world()
    subjects = {"Martlet, HelloPython": cold_function(w, "python", hello_code(), BODY)}
    subjects["Martlet, HelloSwift"] = subject(lambda: cold_function(
        w, "swift", {"bootstrap": (native_folder() / "bootstrap").read_bytes()}, BODY, runtime="provided.al2023", handler="bootstrap"))
    subjects["Martlet, HelloNode"] = subject(lambda: cold_node(w))
    shell = SAMPLES / "WordCountShell"
    subjects["Martlet, WordCountShell"] = cold_function(
        w, "shell", {"bootstrap": (shell / "bootstrap").read_bytes()}, (shell / "event.json").read_text().strip(),
        runtime="provided.al2023", handler="bootstrap")
    subjects.update(programs_once(bench))
    subjects.update(servers(bench))
    return [samples("cold", "Cold: from nothing in memory to the answer", subjects, bench.few(6 * bench.rounds, 2), baseline=SPAWN)]


def cold_function(w, tag, code, body, **options):
    """Each time another function with the same package, which is stored and registered before the clock starts."""
    count, archive = iter(range(1_000_000)), zip_of(code)

    def take():
        name = f"{tag}-{next(count)}"
        w.create(name, archive, **options)
        milliseconds = Target(w.port, invocations(name), body).once()
        w.delete(name)
        return {"ms": milliseconds}
    # The first of all compiles the runtime's byte code and reads files from disk.
    take()
    return take


def cold_node(w):
    configuration = deploy_node(w)
    w.delete("hello-node")
    code = {path.name: path.read_text() for path in (SAMPLES / "HelloNode").glob("index.*")}
    return cold_function(w, "node", code, BODY, runtime=configuration["Runtime"], handler=configuration["Handler"])


def programs_once(bench):
    """The handler run once by a program that starts and ends for it, alone and in what others would put it."""
    folder = programs.function_folder(bench)
    (folder / "once.py").write_text(pathlib.Path(programs.BASELINES / "once.py").read_text())
    inside = ("/usr/bin/python3", "/fn/once.py", "/fn", BODY)

    def spawned(line, wrapper=()):
        answer = load("spawn", 1, *line, wrapper=wrapper)
        return {"ms": answer["max"]}

    def fixed(make):
        line, wrapper = make(bench, folder)
        return lambda: spawned((*line, *inside), wrapper)

    def bundled(runtime):
        command = containers.oci(bench, runtime, folder, inside)
        return lambda: spawned(*command())

    def engine(make):
        if bench.smoke:
            raise Skip("left out in a smoke run")
        return fixed(make)
    outside = ("/usr/bin/python3", str(folder / "once.py"), str(folder), BODY)
    return {
        SPAWN: lambda: spawned(outside),
        "python3 in bubblewrap": subject(lambda: fixed(containers.bubblewrap)),
        "python3 in crun": subject(lambda: bundled("crun")),
        "python3 in runc": subject(lambda: bundled("runc")),
        "python3 in podman run": subject(lambda: engine(containers.podman)),
        "python3 in docker run": subject(lambda: engine(containers.docker)),
    }


def servers(bench):
    """Programs that stay: from their start to their first answer."""
    def started(make):
        def take():
            program = make()
            program.stop()
            return {"ms": program.milliseconds}
        return take
    return {
        "gunicorn": started(lambda: programs.plain(bench, "gunicorn", programs.gunicorn)),
        "uvicorn": started(lambda: programs.plain(bench, "uvicorn", programs.uvicorn)),
        "functions-framework": started(lambda: programs.plain(bench, "functions-framework", programs.functions_framework)),
        "awslambdaric": started(lambda: programs.awslambdaric(bench, 1)),
    }
