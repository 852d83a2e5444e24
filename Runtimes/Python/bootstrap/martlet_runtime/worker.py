"""Init, copy, invoke: the life of a Python execution environment, from its first frame to its end."""

import gc
import os
import sys

from . import codec, context, environment, faults
from .faults import Fault

try:
    from martlet_fork import read_frame, write_frame
except ImportError:
    from .frames import read_frame, write_frame

SERVER = 3
CONTROL = 4

INIT = 1
INVOKE = 2
VARIABLES = 3
READY = 16
INIT_ERROR = 17
CHUNK = 18
END = 19
ERROR = 20
STREAM = 21

# Bytes of one part of a streamed answer; longer ones become several.
_LONGEST_PART = 256 << 10
# What a handler that yields returns.
_Generator = type((lambda: (yield))())

# Raised while modules are loaded, where garbage is rare and collecting costs a tenth of the time.
_INIT_THRESHOLD = 50_000
# A function that loads fewer modules leaves too little garbage to be worth a millisecond of each cold start.
_MODULES_WORTH_COLLECTING = 150

# An INVOKE frame's payload that asks for nothing, but has all that one from the server has.
_HEADER = (
    b'{"requestId":"00000000-0000-0000-0000-000000000000","deadlineMs":0,"arn":"arn:aws:lambda:us-east-1:000000000000:function:name",'
    b'"traceId":"Root=1-00000000-000000000000000000000000;Parent=0000000000000000;Sampled=0"}'
)
_NOTHING = len(_HEADER).to_bytes(4, "little") + _HEADER + b'{"text":"","number":[1,1.5],"none":null}'


def main(mode):
    """Runs the environment and never returns.

    - `spare`: a template that waits for its function.
    - `template`: init once, then copies on the fork library's command; each copy serves one invocation.
    - `once`: init, one invocation, end.
    - `environment`: init, then one invocation after another until the server closes the socket.
    """
    if mode not in ("spare", "template", "once", "environment"):
        sys.exit("bootstrap.py: the mode must be spare, template, once or environment, not %r" % mode)
    threshold = gc.get_threshold()
    gc.set_threshold(_INIT_THRESHOLD, *threshold[1:])
    os.set_inheritable(SERVER, False)
    environment.prepare_output()
    environment.prepare_builtins()
    if mode == "spare":
        _prepare_for_any_function()
        mode = "template"

    kind, payload = _next_frame(SERVER)
    if kind != INIT:
        _fail("expected the INIT frame (type %d), got type %d" % (INIT, kind))
    function = codec.decode(payload)
    handler = _init(mode, function)

    if gc.get_threshold()[0] == _INIT_THRESHOLD:
        gc.set_threshold(*threshold)
    restore_failure = None
    if mode == "template":
        restore_failure = _become_copy(function, handler)
    else:
        gc.freeze()
        _flush()
    # A copy's hooks have run by now: they are preparation, not part of the invocation.
    write_frame(SERVER, READY, b"")

    while True:
        _serve(SERVER, SERVER, handler, function, restore_failure)
        if mode != "environment":
            os._exit(0)


def _serve(source, sink, handler, function, failure):
    """One invocation, from its frame on descriptor `source` to the frame that answers it on `sink`."""
    kind, payload = _next_frame(source)
    if kind != INVOKE:
        _fail("expected an INVOKE frame (type %d), got type %d" % (INVOKE, kind))
    header, event = _split(payload)
    del payload
    kind, answer = _invoke(handler, function, header, event, failure, sink)
    del event
    _flush()
    write_frame(sink, kind, answer)


def _prepare_for_any_function():
    """What most functions import takes half of a small one's init."""
    import base64  # noqa: F401
    import json  # noqa: F401


def _init(mode, function):
    """Loads the handler and, in a template, prepares the process to be copied. Ends the process when that fails."""
    try:
        environment.apply(function, mode == "template")
        environment.prepare_logging()
        handler = load_handler(function["handler"])
        if mode == "template":
            _run_before_snapshot()
            _warm_up(function)
        return handler
    except SystemExit as error:
        result = faults.describe(Fault("Runtime.ExitError", _exit_message(_exit_status(error))))
    except BaseException as error:
        result = faults.describe(error)
    faults.log(result)
    _flush()
    write_frame(SERVER, INIT_ERROR, codec.encode(result))
    os._exit(1)


def load_handler(name):
    """The function that `module.function` (folders by `/` or `.`) names. Raises Fault or what the module raises."""
    module_name, dot, attribute = name.rpartition(".")
    if not dot:
        raise Fault("Runtime.MalformedHandlerName", "Bad handler '%s': not enough values to unpack (expected 2, got 1)" % name)
    if module_name.split(".")[0] in sys.builtin_module_names:
        raise Fault("Runtime.BuiltInModuleConflict", "Cannot use built-in module %s as a handler module" % module_name)
    path = module_name.replace("/", ".")
    try:
        # Unlike importlib.import_module this leaves the import system's own frames out of a traceback.
        __import__(path)
    except ImportError as error:
        raise Fault("Runtime.ImportModuleError", "Unable to import module '%s': %s" % (module_name, error))
    except SyntaxError as error:
        where = '  File "%s" Line %s\n    %s' % (error.filename, error.lineno, error.text)
        raise Fault("Runtime.UserCodeSyntaxError", "Syntax error in module '%s': %s" % (module_name, error), [where])
    try:
        return getattr(sys.modules[path], attribute)
    except AttributeError:
        raise Fault("Runtime.HandlerNotFound", "Handler '%s' missing on module '%s'" % (attribute, module_name))


def _run_before_snapshot():
    hooks = sys.modules.get("snapshot_restore_py")
    if hooks is None:
        return
    callables = hooks.get_before_snapshot()
    try:
        while callables:
            function, arguments, options = callables.pop()
            function(*arguments, **options)
    except Exception as error:
        raise Fault(
            "Runtime.BeforeSnapshotError",
            "%s: %s" % (type(error).__name__, faults.text_of(error)),
            faults.stack_of(error),
        )


def _warm_up(function):
    """One invocation of nothing: what it allocates and caches need not be made anew in each copy."""
    for _ in range(2):
        header, event = _split(_NOTHING)
        _invoke(lambda event, context: event, function, header, event, None, None)
    context.current_request_id = ""
    os.environ.pop("_X_AMZN_TRACE_ID", None)


def _rehearse(function, handler):
    """An invocation from frame to frame without the function's own code: what each copy writes to, whatever it is asked."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    reader, writer = os.pipe()
    write_frame(writer, INVOKE, _NOTHING)
    _reach(handler)

    def stand_in(event, context):
        print("rehearsing", event["text"], context.aws_request_id)
        return event

    _serve(reader, writer, stand_in, function, None)


def _reach(handler):
    """Takes references, as a call would, to what the handler's code names."""
    code = getattr(handler, "__code__", None)
    if code is not None:
        names = handler.__globals__
        return [names.get(name) for name in code.co_names], list(code.co_consts)


def _become_copy(function, handler):
    """Reports READY and hands the process to the fork library; returns in a copy, with what its hooks failed of."""
    import martlet_fork

    def rehearse():
        if collecting:
            gc.enable()
        if function.get("copiesGetVariables"):
            os.environ.update({name: value * 2 for name, value in os.environ.items() if name in environment.OF_EACH_COPY})
        environment.refresh_randomness()
        _rehearse(function, handler)

    collecting = gc.isenabled()
    if len(sys.modules) > _MODULES_WORTH_COLLECTING:
        gc.collect()
    # A collection in a copy must not write into every page that it shares with the template.
    gc.disable()
    gc.freeze()
    martlet_fork.prepare(CONTROL)
    _flush()
    write_frame(SERVER, READY, b"")
    martlet_fork.serve(CONTROL, rehearse)
    if collecting:
        gc.enable()
    os.set_inheritable(SERVER, False)
    if function.get("copiesGetVariables"):
        _take_variables()
    environment.refresh_randomness()
    hooks = sys.modules.get("snapshot_restore_py")
    if hooks is None:
        return None
    try:
        for function, arguments, options in hooks.get_after_restore():
            function(*arguments, **options)
    except BaseException as error:
        return Fault(
            "Runtime.AfterRestoreError",
            "%s: %s" % (type(error).__name__, faults.text_of(error)),
            faults.stack_of(error),
        )
    return None


def _take_variables():
    """What no two copies may have the same of: it comes first, and has been sent before the copy was made."""
    kind, payload = _next_frame(SERVER)
    if kind != VARIABLES:
        _fail("expected a VARIABLES frame (type %d), got type %d" % (VARIABLES, kind))
    os.environ.update(codec.decode(payload))


def _split(payload):
    """The header of an INVOKE frame as a dictionary, and the event's bytes."""
    view = memoryview(payload)
    length = 4 + int.from_bytes(view[:4], "little")
    return codec.decode(view[4:length]), view[length:]


def _invoke(handler, function, header, event, failure, sink):
    """Runs the handler. The kind and payload of the frame that answers; ends the process when the handler does."""
    process = os.getpid()
    request_id = header["requestId"]
    context.current_request_id = request_id
    try:
        if failure is not None:
            raise failure
        trace = header.get("traceId")
        if trace:
            os.environ["_X_AMZN_TRACE_ID"] = trace
        else:
            os.environ.pop("_X_AMZN_TRACE_ID", None)
        event = _unmarshal(event)
        client_context = _client_context(header.get("clientContext"))
        invocation = context.LambdaContext(function, request_id, header["deadlineMs"], header["arn"], client_context, header.get("tenantId"))
        result = handler(event, invocation)
        if type(result) is _Generator:
            answer = _stream(result, sink if header.get("responseMode") == "streaming" else None, process)
        else:
            answer = _marshal(result)
        if len(answer) > faults.MAXIMUM_ANSWER:
            raise Fault(
                "Function.ResponseSizeTooLarge",
                "Response payload size exceeded maximum allowed payload size (%d bytes)." % faults.MAXIMUM_ANSWER,
            )
        kind = END
    except Exception as error:
        kind, answer = ERROR, _report(error, request_id)
    except SystemExit as error:
        _exit(error, request_id, process)
    except BaseException as error:
        # Python would end here with a traceback: 130 as after an interrupt, 1 for any other.
        _report(error, request_id)
        _flush()
        os._exit(130 if isinstance(error, KeyboardInterrupt) else 1)
    if os.getpid() != process:
        # The handler forked and its child returned, too: only one process answers.
        _flush()
        os._exit(0)
    return kind, answer


def _stream(parts, sink, process):
    """Sends what a handler yields, as it comes, to a caller that takes a stream; for any other it is joined."""
    if sink is None:
        return b"".join(map(_part, parts))
    write_frame(sink, STREAM, b"application/octet-stream")
    for part in parts:
        if os.getpid() != process:
            break
        part = _part(part)
        for at in range(0, len(part), _LONGEST_PART):
            write_frame(sink, CHUNK, part[at : at + _LONGEST_PART])
    return b""


def _part(value):
    """Bytes and text as they are, anything else as its JSON."""
    if isinstance(value, bytes):
        return value
    return value.encode() if isinstance(value, str) else _marshal(value)


def _unmarshal(event):
    if not event:
        return {}
    try:
        return codec.decode(event)
    except Exception as error:
        raise Fault("Runtime.UnmarshalError", "Unable to unmarshal input: %s" % error)


def _client_context(text):
    if not text:
        return None
    try:
        values = codec.decode(text.encode())
        if not isinstance(values, dict):
            raise ValueError("an object is expected")
        return values
    except Exception as error:
        raise Fault("Runtime.LambdaContextUnmarshalError", "Unable to parse Client Context JSON: %s" % error)


def _marshal(result):
    try:
        if isinstance(result, bytes):
            # Lambda passes bytes on as they are; an answer has to be JSON text all the same.
            codec.decode(result)
            return result
        return codec.encode(result)
    except Exception as error:
        raise Fault("Runtime.MarshalError", "Unable to marshal response: %s" % error)


def _report(error, request_id):
    """Logs the error; the payload of its frame."""
    try:
        result = faults.describe(error, request_id)
        payload = codec.encode(result)
        faults.log(result)
    except Exception:
        # No memory is left to format anything: say at least what it was.
        result = {"errorMessage": "", "errorType": type(error).__name__, "requestId": request_id, "stackTrace": []}
        payload = codec.encode(result)
    return payload


def _exit(error, request_id, process):
    """`sys.exit()` in the handler: the reason goes to the log, the status to the parent, no answer to the caller."""
    status = _exit_status(error)
    if os.getpid() == process:
        faults.log(faults.describe(Fault("Runtime.ExitError", _exit_message(status), faults.stack_of(error)), request_id))
    _flush()
    os._exit(status)


def _exit_status(error):
    code = error.code
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF
    try:
        print(code, file=sys.stderr)
    except Exception:
        pass
    return 1


def _exit_message(status):
    return "Runtime exited with error: exit status %d" % status if status else "Runtime exited without providing a reason"


def _next_frame(source):
    frame = read_frame(source)
    if frame is None:
        # The server has no more use for this environment.
        os._exit(0)
    return frame


def _flush():
    for stream in {sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__}:
        try:
            stream.flush()
        except Exception:
            # Closed or replaced by the handler.
            pass


def _fail(message):
    sys.stderr.write("bootstrap.py: %s\n" % message)
    os._exit(70)
