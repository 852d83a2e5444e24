"""`bootstrap.py compile [FOLDER]`: byte code for the running interpreter, beside the sources or below FOLDER.

With `-` for FOLDER it is written to descriptor 3, each file as u32 length of its path, u32 length, path, content.

The files are not checked against their source when loaded, so they stay valid however the folder is mounted, and must
be made anew when the sources change.
"""

import os
import py_compile
import sys
import tempfile


def main(_mode, target=None):
    if target == "-":
        # Nobody waits for it, and others may need the processor.
        os.nice(19)
        with tempfile.TemporaryDirectory() as folder:
            compile_all(folder)
            send(folder, 3)
    else:
        compile_all(target)


def send(folder, descriptor):
    with open(descriptor, "wb") as stream:
        for parent, _, names in os.walk(folder):
            for name in sorted(names):
                file = os.path.join(parent, name)
                path = os.path.relpath(file, folder).encode()
                with open(file, "rb") as source:
                    content = source.read()
                stream.write(len(path).to_bytes(4, "little") + len(content).to_bytes(4, "little") + path + content)


def compile_all(target):
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    target = os.path.abspath(target) if target else here
    for folder, _, names in os.walk(here):
        for name in sorted(names):
            if name.endswith(".py"):
                source = os.path.join(folder, name)
                cache = os.path.join(target, os.path.relpath(folder, here), "__pycache__")
                file = "%s.%s.pyc" % (name[:-3], sys.implementation.cache_tag)
                py_compile.compile(
                    source,
                    cfile=os.path.join(cache, file),
                    dfile=os.path.join("/var/runtime", os.path.relpath(source, here)),
                    doraise=True,
                    invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
                )
