"""The planning service; `create_app` makes the application of a server, to run or to mount."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .app import create_app

__all__ = ["create_app"]


def __getattr__(name: str) -> Any:
    """Import the application when it is asked for: clients and jobs' processes need none of it."""
    if name == "create_app":
        from .app import create_app

        return create_app
    raise AttributeError(name)
