"""A file that is open only for reading does not stand in the way of copies."""

code = open(__file__, "rb")


def handler(event, context):
    import os

    return os.pread(code.fileno(), 3, 0).decode()
