"""Every sample is a test: event.json in, expected.json out; and what each is there to show."""

import json
import struct
import subprocess
import sys
import zlib

import pytest

from harness.world import ROOT, SAMPLES

sys.path.insert(0, str(ROOT / "Runtimes" / "Conformance"))
import conformance  # noqa: E402

# Templates are of several functions; they have tests of their own.
NAMES = sorted(p.name for p in SAMPLES.iterdir() if p.is_dir() and not (p / "template.yaml").exists()) if SAMPLES.is_dir() else []


@pytest.fixture(scope="module")
def deployed(w):
    done = {}

    def deploy(sample):
        if sample not in done:
            folder = SAMPLES / sample
            if (folder / "Package.swift").exists():
                folder = build_swift(folder, w.folder / sample)
            w.cli("deploy", sample.lower(), folder, timeout=400)
            done[sample] = sample.lower()
        return done[sample]
    return deploy


def build_swift(folder, target):
    """The folder that its own build script makes, with the executable `bootstrap` in it."""
    done = subprocess.run([str(folder / "build.sh"), str(target)], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return target


@pytest.mark.timeout(700)
@pytest.mark.parametrize("sample", NAMES)
def test_a_sample_gives_what_it_promises(w, deployed, sample):
    for part in ("README.md", "event.json", "expected.json"):
        assert (SAMPLES / sample / part).exists(), part
    function = deployed(sample)
    event = json.loads((SAMPLES / sample / "event.json").read_text())
    expected = json.loads((SAMPLES / sample / "expected.json").read_text())
    for _ in range(3):
        assert conformance.differences(expected, w.call(function, event)) == []


def test_all_promised_samples_are_there():
    assert {"HelloPython", "ThumbnailPython", "WordCountShell", "HelloSwift", "LeakProbe", "QueueWorker", "WebhookGitHub", "ScheduledReport", "Pipeline"} <= set(NAMES)


def png(width, height):
    rows = b"".join(b"\0" + bytes(v for x in range(width) for v in (x * 255 // width, y * 255 // height, (x ^ y) & 255)) for y in range(height))

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


@pytest.mark.timeout(400)
def test_a_png_posted_to_the_thumbnail_url_comes_back_smaller(w, deployed):
    function = deployed("ThumbnailPython")
    assert w.boto().get_function_configuration(FunctionName=function)["MemorySize"] == 256, "as its function.toml says"
    before = png(640, 480)
    answer = w.http("POST", f"/fn/{function}", before, {"Content-Type": "image/png"})
    assert answer.status == 200, answer
    assert answer.headers["content-type"] == "image/png"
    assert answer.body[:8] == b"\x89PNG\r\n\x1a\n" and answer.body[12:16] == b"IHDR" and answer.body[-8:-4] == b"IEND"
    assert struct.unpack(">II", answer.body[16:24]) == (128, 96)
    assert len(answer.body) < len(before)
