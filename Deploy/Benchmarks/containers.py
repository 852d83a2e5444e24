"""Commands that run a program in a sandbox or container of others, with the host's /usr and one folder in it, read-only."""

import contextlib
import io
import json
import os
import pathlib
import subprocess
import tarfile
import time

from measure import Skip, program_path
from programs import own

# crun and podman refuse a hybrid cgroup tree, so they see the version 1 part of one only.
HIDE_UNIFIED = ("unshare", "-m", "sh", "-c", 'mountpoint -q /sys/fs/cgroup/unified && umount /sys/fs/cgroup/unified; exec "$@"', "sh")
# Some machines' root may not raise limits, which is what podman does without these.
LIMITS = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1000:1000")
LINKS = {name: f"usr/{name}" for name in ("bin", "lib", "lib64", "sbin")}
FOLDERS = ("usr", "proc", "dev", "sys", "tmp", "fn", "etc")


def bubblewrap(bench, folder):
    links = [part for name, to in LINKS.items() if name != "sbin" for part in ("--symlink", to, f"/{name}")]
    return (program_path("bwrap"), "--unshare-all", "--die-with-parent", "--ro-bind", "/usr", "/usr", *links, "--proc", "/proc",
            "--dev", "/dev", "--tmpfs", "/tmp", "--ro-bind", str(folder), "/fn"), ()


def oci_bundle(bench, runtime, folder, arguments):
    bundle = bench.folder(runtime)
    for name in FOLDERS:
        (bundle / "rootfs" / name).mkdir(parents=True)
    for name, to in LINKS.items():
        (bundle / "rootfs" / name).symlink_to(to)
    subprocess.run([program_path(runtime), "spec"], cwd=bundle, check=True, capture_output=True)
    config = json.loads((bundle / "config.json").read_text())
    config["process"].update(terminal=False, args=list(arguments))
    # A limit that is higher than the caller's own cannot be set everywhere.
    config["process"].pop("rlimits", None)
    config["root"] = {"path": "rootfs", "readonly": True}
    config["mounts"] = [m for m in config["mounts"] if m["destination"] in ("/proc", "/dev")] + [
        {"destination": "/usr", "type": "bind", "source": "/usr", "options": ["rbind", "ro"]},
        {"destination": "/fn", "type": "bind", "source": str(folder), "options": ["rbind", "ro"]},
        {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["size=64m"]},
    ]
    (bundle / "config.json").write_text(json.dumps(config))
    return bundle


def need_root():
    if os.geteuid() != 0:
        raise Skip("needs root")


def oci(bench, runtime, folder, arguments):
    """crun or runc: the whole command, each time under a new name."""
    need_root()
    bundle = oci_bundle(bench, runtime, folder, arguments)
    count = iter(range(1_000_000))
    return lambda: ((program_path(runtime), "--root", str(bundle / "state"), "run", "--bundle", str(bundle), f"martlet-figure-{next(count)}"),
                    HIDE_UNIFIED if runtime == "crun" else ())


def image(bench):
    """An image without files: everything comes from the host's /usr."""
    path = bench.folder("image") / "image.tar"
    with tarfile.open(path, "w") as archive:
        for name in FOLDERS:
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(entry)
        for name, to in LINKS.items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, to
            archive.addfile(entry, io.BytesIO())
    return path


def run_options(folder):
    return ("run", "--rm", "--network", "none", *LIMITS, "-v", "/usr:/usr:ro", "-v", f"{folder}:/fn:ro", "martlet-figure")


def podman(bench, folder):
    need_root()
    root = bench.folder("podman")
    line = (program_path("podman"), "--root", f"{root}/storage", "--runroot", f"{root}/run", "--tmpdir", f"{root}/tmp",
            "--cgroup-manager", "cgroupfs", "--events-backend", "none")
    bench.stack.enter_context(traces_removed())
    checked([*HIDE_UNIFIED, *line, "import", str(image(bench)), "martlet-figure"])
    return (*line, *run_options(folder)), HIDE_UNIFIED


def docker(bench, folder):
    """A daemon of its own, without networks."""
    need_root()
    dockerd, client, root = program_path("dockerd"), program_path("docker"), bench.folder("docker")
    bench.stack.enter_context(traces_removed())
    log = root / "log"
    with open(log, "wb") as file:
        daemon = subprocess.Popen(
            [dockerd, "--data-root", root / "data", "--exec-root", root / "exec", "--pidfile", root / "pid", "-H", f"unix://{root}/socket",
             "--bridge", "none", "--iptables=false", "--ip-forward=false", "--ip-masq=false"],
            stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True)
    own(bench, daemon, 30)
    line = (client, "-H", f"unix://{root}/socket")
    end = time.monotonic() + 30
    while subprocess.run([*line, "version"], capture_output=True).returncode != 0:
        if daemon.poll() is not None or time.monotonic() > end:
            raise Skip(f"dockerd did not start: {log.read_text(errors='replace').strip()[-200:]}")
        time.sleep(0.1)
    checked([*line, "import", str(image(bench)), "martlet-figure"])
    return (*line, *run_options(folder)), ()


def checked(line):
    done = subprocess.run(line, capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        raise Skip(f"{pathlib.Path(line[0]).name}: {done.stderr.strip()[-200:]}")


@contextlib.contextmanager
def traces_removed():
    """Engines leave empty folders, an empty cgroup and two small files of their own behind."""
    def traces():
        groups = [f"{tree.path}/{name}" for tree in os.scandir("/sys/fs/cgroup") if tree.is_dir() for name in ("docker", "libpod_parent")]
        return {path for path in (*groups, "/run/docker", "/run/containerd", "/run/crun", "/etc/docker", "/etc/docker/key.json", "/dev/shm/libpod_lock")
                if os.path.exists(path)}
    before = traces()
    try:
        yield
    finally:
        for path in sorted(traces() - before, reverse=True):
            if os.path.isfile(path):
                os.remove(path)
            for folder, _, _ in os.walk(path, topdown=False):
                with contextlib.suppress(OSError):
                    os.rmdir(folder)
