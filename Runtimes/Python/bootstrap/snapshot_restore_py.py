"""Hooks around the copy of an initialised function, with the interface of Lambda's library of the same name.

    from snapshot_restore_py import register_after_restore

    @register_after_restore
    def connect(): ...

Before-snapshot hooks run once, at the end of init, last registered first. After-restore hooks run in each copy before
its invocation, first registered first. Without a snapshot (mode `environment`, or a function that cannot be copied)
none of them runs, as on Lambda.
"""

_before_snapshot = []
_after_restore = []


def register_before_snapshot(func, *args, **kwargs):
    """Registers a callable, as a function or as a decorator. Returns `func`."""
    _before_snapshot.append((func, args, kwargs))
    return func


def register_after_restore(func, *args, **kwargs):
    """Registers a callable, as a function or as a decorator. Returns `func`."""
    _after_restore.append((func, args, kwargs))
    return func


def get_before_snapshot():
    return _before_snapshot


def get_after_restore():
    return _after_restore
