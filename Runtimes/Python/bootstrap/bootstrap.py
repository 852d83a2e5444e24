"""The program of a Python execution environment: `python3.X -S -E -s -B bootstrap.py spare|template|once|environment`.

Descriptor 3 is the socket to the server; in the modes `spare` and `template` descriptor 4 is the control socket of the fork
library. README.md in the folder above has the protocol. The code is in the package beside this file, so that a
`__pycache__` made once per interpreter (mode `compile`) spares each start its compilation.
"""

import sys


def use_native_compiler():
    """Modules are compiled without the builtin `compile`, whose first call makes all the types of the `ast` module.

    That is 2 ms of each cold start of a function whose package has no byte code, which is most of them.
    """
    try:
        from martlet_fork import compile_source
    except ImportError:
        # A runtime folder without the fork library, or one with an older one.
        return
    from _frozen_importlib_external import SourceLoader

    general = SourceLoader.source_to_code

    def source_to_code(self, data, path, *arguments, **options):
        if type(data) is bytes and not arguments and options.get("_optimization", -1) == -1 and b"\0" not in data:
            try:
                return compile_source(data, path)
            except (TypeError, ValueError):
                # The path is not text, or none that UTF-8 can carry.
                pass
        return general(self, data, path, *arguments, **options)

    SourceLoader.source_to_code = source_to_code


if __name__ == "__main__":
    use_native_compiler()
    if sys.argv[1:2] == ["compile"]:
        from martlet_runtime.compile import main
    else:
        from martlet_runtime.worker import main
    main(*sys.argv[1:])
