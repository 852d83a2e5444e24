"""Byte code for the runtime's own modules: complete, and what an interpreter loads without looking at the sources."""

import os
import struct
import subprocess

import pytest
from conftest import BOOTSTRAP, interpreters


@pytest.mark.parametrize("python", interpreters(), ids=os.path.basename)
def test_each_module_comes_with_the_name_its_interpreter_looks_for(python):
    reader, writer = os.pipe()
    worker = subprocess.Popen(
        [python, "-S", "-E", "-s", "-B", str(BOOTSTRAP), "compile", "-"],
        preexec_fn=lambda: os.dup2(writer, 3),
        pass_fds=(3,),
    )
    os.close(writer)
    with open(reader, "rb") as stream:
        data = stream.read()
    assert worker.wait(60) == 0
    files = {}
    while data:
        path, content = struct.unpack("<II", data[:8])
        files[data[8 : 8 + path].decode()] = data[8 + path : 8 + path + content]
        data = data[8 + path + content :]
    tag = subprocess.run([python, "-c", "import sys; print(sys.implementation.cache_tag)"], capture_output=True, text=True).stdout.strip()
    folder = BOOTSTRAP.parent
    expected = {
        str(source.parent.relative_to(folder) / "__pycache__" / ("%s.%s.pyc" % (source.stem, tag))).removeprefix("./")
        for source in folder.rglob("*.py")
    }
    assert set(files) == expected
    # Flags 1: by hash, and the hash is not checked.
    assert all(content[4:8] == b"\1\0\0\0" for content in files.values())
