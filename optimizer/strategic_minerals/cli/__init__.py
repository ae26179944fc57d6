"""The command line."""

import sys


def main() -> None:
    """Entry point: Ctrl-C while modules are still being read ends without a traceback, too."""
    try:
        from .main import main as run
    except KeyboardInterrupt:
        sys.exit(130)
    run()
