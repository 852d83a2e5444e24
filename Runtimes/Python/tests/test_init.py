"""What a function finds when it is loaded, and what the server hears when that fails."""

from conftest import READY


def test_a_loadable_handler_reports_ready_with_nothing_in_it(start):
    worker = start("def handler(event, context): return event")
    assert worker.init == (READY, b"")
    assert worker.end() == 0


def test_the_variables_are_exactly_the_reserved_ones_and_the_functions(start):
    worker = start(
        "import os, sys\nSEEN = dict(os.environ)\ndef handler(e, c): return [SEEN, sys.version_info[:2]]",
        environment={"COLOUR": "blue", "AWS_REGION": "elsewhere", "TZ": "Europe/Berlin"},
    )
    seen, version = worker.result()
    assert seen.pop("PATH").endswith(":/usr/local/bin:/usr/bin:/bin:/opt/bin")
    root = seen.pop("LAMBDA_TASK_ROOT")
    assert seen.pop("LAMBDA_RUNTIME_DIR")
    assert seen == {
        "COLOUR": "blue",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EXECUTION_ENV": "AWS_Lambda_python%d.%d" % tuple(version),
        "AWS_LAMBDA_FUNCTION_NAME": "fn",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/fn",
        "AWS_LAMBDA_LOG_STREAM_NAME": "2026/01/01/[$LATEST]0",
        "LD_LIBRARY_PATH": "%s:%s/lib:/opt/lib" % (root, root),
        "LANG": "en_US.UTF-8",
        "TZ": "Europe/Berlin",
        "_HANDLER": "app.handler",
    }


def test_the_code_comes_first_and_the_runtime_last_on_the_search_path(start):
    worker = start(
        "import os, sys\ndef handler(e, c): return [sys.path, os.getcwd()]", environment={"PYTHONPATH": "/extra:"}
    )
    path, folder = worker.result()
    assert path[0] == folder and path[1] == "/extra"
    assert path[-1].endswith(("bootstrap", "runtime-once")) and len(path) == len(set(path))


def test_loading_stays_free_of_expensive_modules(start):
    worker = start("import sys\nSEEN = sorted(sys.modules)\ndef handler(e, c): return SEEN")
    expensive = {"json", "re", "enum", "logging", "traceback", "threading", "ctypes", "asyncio", "importlib", "site"}
    assert not expensive & set(worker.result())


def test_exit_and_quit_exist_without_site(start):
    assert start("def handler(e, c): return [callable(exit), callable(quit)]").result() == [True, True]


def test_handlers_may_lie_in_folders_written_with_slashes_or_dots(start):
    files = {"deep/er/code.py": "def run(event, context): return __name__"}
    assert start("", "deep/er/code.run", files=files).result() == "deep.er.code"
    assert start("", "deep.er.code.run", files=files).result() == "deep.er.code"


def test_a_missing_module_is_an_import_module_error(start):
    error = start("", handler="nowhere.handler").init_error
    assert error == {
        "errorMessage": "Unable to import module 'nowhere': No module named 'nowhere'",
        "errorType": "Runtime.ImportModuleError",
        "stackTrace": [],
    }


def test_a_missing_dependency_names_it(start):
    worker = start("import not_installed_anywhere")
    assert worker.init_error["errorMessage"] == "Unable to import module 'app': No module named 'not_installed_anywhere'"
    assert worker.end() == 1
    assert "[ERROR] Runtime.ImportModuleError: Unable to import module 'app'" in worker.log


def test_a_missing_function_is_handler_not_found(start):
    error = start("", handler="app.nothing").init_error
    assert (error["errorType"], error["errorMessage"]) == (
        "Runtime.HandlerNotFound",
        "Handler 'nothing' missing on module 'app'",
    )


def test_a_name_without_a_dot_is_malformed(start):
    error = start("", handler="handler").init_error
    assert error["errorType"] == "Runtime.MalformedHandlerName"
    assert error["errorMessage"] == "Bad handler 'handler': not enough values to unpack (expected 2, got 1)"


def test_a_built_in_module_cannot_hold_the_handler(start):
    error = start("", handler="sys.exit").init_error
    assert error["errorType"] == "Runtime.BuiltInModuleConflict"


def test_a_syntax_error_says_where(start):
    error = start("def handler(:\n  pass").init_error
    assert error["errorType"] == "Runtime.UserCodeSyntaxError"
    assert error["errorMessage"].startswith("Syntax error in module 'app': ")
    assert "app.py" in error["stackTrace"][0] and "Line 1" in error["stackTrace"][0]


def test_an_exception_at_import_has_a_stack_without_the_runtimes_frames(start):
    error = start("def load():\n    raise KeyError('colour')\nload()").init_error
    assert (error["errorType"], error["errorMessage"]) == ("KeyError", "'colour'")
    assert [line.strip().splitlines()[0].split(", ", 1)[1] for line in error["stackTrace"]] == [
        "line 3, in <module>",
        "line 2, in load",
    ]
    assert error["stackTrace"][1].endswith("    raise KeyError('colour')\n")


def test_exit_at_import_is_an_exit_error(start):
    error = start("exit(7)").init_error
    assert (error["errorType"], error["errorMessage"]) == (
        "Runtime.ExitError",
        "Runtime exited with error: exit status 7",
    )
    assert start("exit()").init_error["errorMessage"] == "Runtime exited without providing a reason"


def test_what_is_printed_at_import_is_in_the_log(start):
    worker = start("print('partial', end='')\ndef handler(e, c): pass")
    assert worker.init == (READY, b"") and worker.log == "partial"


def test_a_server_that_goes_away_ends_the_environment_quietly(start):
    worker = start("def handler(e, c): pass")
    assert worker.end() == 0 and worker.log == ""
