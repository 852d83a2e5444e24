"""Init once, copy, one invocation per copy. The fork itself is played by fake_fork.py."""

from conftest import READY


def test_each_copy_starts_from_the_same_state(start):
    source = """
        import os
        count = 0
        def handler(event, context):
            global count
            count += 1
            return [count, os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"], context.aws_request_id]
    """
    template = start(source, mode="template")
    assert template.init == (READY, b"")
    copies = [template.copy() for _ in range(3)]
    for number, copy in enumerate(copies):
        assert copy.result(request_id="r%d" % number) == [1, "snap-start", "r%d" % number]
        assert copy.receive() is None
    assert template.end() == 0


def test_copies_do_not_draw_the_same_random_numbers(start):
    source = """
        import random, tempfile, uuid
        random.random(); next(tempfile._get_candidate_names())
        def handler(e, c): return [random.random(), next(tempfile._get_candidate_names()), str(uuid.uuid4())]
    """
    template = start(source, mode="template")
    first, second = [template.copy().result() for _ in range(2)]
    assert all(one != other for one, other in zip(first, second))


def test_hooks_run_around_the_copy_in_lambdas_order(start):
    source = """
        import os
        from snapshot_restore_py import register_after_restore, register_before_snapshot
        ran = []
        me = os.getpid()
        register_before_snapshot(lambda: ran.append(("before 1", os.getpid() == me)))
        register_before_snapshot(lambda: ran.append(("before 2", os.getpid() == me)))
        @register_after_restore
        def connect(): ran.append(("after 1", os.getpid() == me))
        register_after_restore(lambda n, k: ran.append(("after %d" % (n + k), os.getpid() == me)), 1, k=1)
        def handler(e, c): return ran
    """
    template = start(source, mode="template")
    for _ in range(2):
        assert template.copy().result() == [["before 2", True], ["before 1", True], ["after 1", False], ["after 2", False]]


def test_a_failing_hook_before_the_snapshot_fails_the_init(start):
    source = "import snapshot_restore_py\n@snapshot_restore_py.register_before_snapshot\ndef f(): 1 / 0\ndef handler(e, c): pass"
    error = start(source, mode="template").init_error
    assert error["errorType"] == "Runtime.BeforeSnapshotError"
    assert error["errorMessage"] == "ZeroDivisionError: division by zero" and "1 / 0" in error["stackTrace"][0]


def test_a_failing_hook_after_the_restore_is_the_answer(start):
    source = """
        import snapshot_restore_py
        @snapshot_restore_py.register_after_restore
        def f(): 1 / 0
        def handler(e, c): return 1
    """
    error = start(source, mode="template").copy().error()
    assert error["errorType"] == "Runtime.AfterRestoreError" and error["requestId"] == "request-1"


def test_garbage_is_collected_in_copies_as_the_function_left_it(start):
    template = start("import gc\ndef handler(e, c): return [gc.isenabled(), gc.get_freeze_count() > 0]", mode="template")
    assert template.copy().result() == [True, True]
    template = start("import gc\ngc.disable()\ndef handler(e, c): return gc.isenabled()", mode="template")
    assert template.copy().result() is False


def test_an_unused_copy_ends_with_its_socket(start):
    template = start("def handler(e, c): pass", mode="template")
    copy = template.copy()
    copy.socket.close()
    assert template.copy().result() is None
    assert template.end() == 0 and template.log == ""
