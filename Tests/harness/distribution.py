"""Which tests go to one worker of pytest-xdist: those that share a server."""

import re

from xdist.scheduler import LoadFileScheduling

# Files whose tests run against a server, or a broker, for each value of a fixture's parameter. It comes first in their names.
BY_PARAMETER = ("test_callbacks.py", "test_node_copies.py", "test_brokers.py")


class ByServer(LoadFileScheduling):
    """A file's tests stay together and in order, but for files that are several in one. Whoever comes first in the collection
    begins first: by their number, as is usual, the longest ones would begin last."""

    def __init__(self, config, log=None):
        super().__init__(config, log)
        config.option.loadscopereorder = False

    def _split_scope(self, nodeid):
        file, _, test = nodeid.partition("::")
        value = re.search(r"\[(\w+)", test)
        return f"{file}[{value[1]}]" if value and file.endswith(BY_PARAMETER) else file
