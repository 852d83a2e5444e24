"""What a function finds when it starts: its variables, its search path, its output, its built-ins."""

import os
import sys
import time

# The folder of layers, as on Lambda.
LAYERS = "/opt"
# Variables that each copy of a template gets anew.
OF_EACH_COPY = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_CREDENTIAL_EXPIRATION")


def prepare_output():
    """Text that UTF-8 cannot carry is written with escapes: a log line never fails a function."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)


def prepare_builtins():
    """`-S` leaves out `site`, which functions expect to have put these here."""
    import builtins

    def exit(code=None):
        raise SystemExit(code)

    builtins.exit = builtins.quit = exit


def apply(function, snapshot):
    """Sets variables, working folder and search path for one function (the INIT frame's values)."""
    task_root = function["taskRoot"]
    runtime_folder = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    variables = {
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        # The interpreter's own folder first, so that a handler's `python3` is the one it runs in.
        "PATH": ":".join((os.path.dirname(sys.executable), "/usr/local/bin", "/usr/bin", "/bin", LAYERS + "/bin")),
        "LD_LIBRARY_PATH": ":".join((task_root, task_root + "/lib", LAYERS + "/lib")),
    }
    variables.update(function["environment"])
    variables.update(
        {
            "_HANDLER": function["handler"],
            "AWS_REGION": function["region"],
            "AWS_DEFAULT_REGION": function["region"],
            "AWS_EXECUTION_ENV": "AWS_Lambda_python%d.%d" % sys.version_info[:2],
            "AWS_LAMBDA_FUNCTION_NAME": function["functionName"],
            "AWS_LAMBDA_FUNCTION_VERSION": function["functionVersion"],
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function["memorySize"]),
            "AWS_LAMBDA_INITIALIZATION_TYPE": function.get("initializationType") or ("snap-start" if snapshot else "on-demand"),
            "AWS_LAMBDA_LOG_GROUP_NAME": function["logGroup"],
            "AWS_LAMBDA_LOG_STREAM_NAME": function["logStream"],
            "LAMBDA_TASK_ROOT": task_root,
            "LAMBDA_RUNTIME_DIR": runtime_folder,
        }
    )
    os.environ.clear()
    os.environ.update(variables)
    time.tzset()
    os.chdir(task_root)

    library = [entry for entry in sys.path if entry != runtime_folder and os.path.exists(entry)]
    layers = [LAYERS + "/python/lib/python%d.%d/site-packages" % sys.version_info[:2], LAYERS + "/python"]
    # `-E` keeps the variable of the server's own environment away; the function's is honoured here.
    own = [entry for entry in variables.get("PYTHONPATH", "").split(":") if entry and entry != runtime_folder]
    sys.path[:] = [task_root] + [entry for entry in layers if os.path.isdir(entry)] + own + library + [runtime_folder]


class LoggingHook:
    """Configures `logging` in the moment it is imported: a function that does not log does not pay for it."""

    def find_spec(self, name, path=None, target=None):
        if name != "logging":
            return None
        sys.meta_path.remove(self)
        for finder in sys.meta_path:
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                break
        else:
            return None
        execute = spec.loader.exec_module

        def execute_and_configure(module):
            del spec.loader.exec_module
            execute(module)
            from . import logs

            logs.configure()

        spec.loader.exec_module = execute_and_configure
        return spec


def prepare_logging():
    if "logging" in sys.modules:
        from . import logs

        logs.configure()
    else:
        sys.meta_path.insert(0, LoggingHook())


def refresh_randomness():
    """In a fresh copy of the template: generators that would repeat what other copies draw start anew.

    Kernel-based ones (`secrets`, `uuid`, `os.urandom`) need nothing. A generator that the function made itself is its
    own: `snapshot_restore_py.register_after_restore` is the place to renew it.
    """
    modules = sys.modules
    if "random" in modules:
        modules["random"].seed()
    legacy = modules.get("numpy.random")
    if legacy is not None:
        legacy.seed()
    if "tempfile" in modules:
        modules["tempfile"]._name_sequence = None
    if "_ssl" in modules:
        modules["_ssl"].RAND_add(os.urandom(32), 32.0)
