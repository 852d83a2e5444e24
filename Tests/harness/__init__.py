"""Drives a real server with real clients. Everything here speaks the public interfaces and reads /proc, nothing else."""

import os

# The server takes every MARTLET_ variable for a setting, so those that are for the tests leave the environment.
OPTIONS = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("MARTLET_")}
