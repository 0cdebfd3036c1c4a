"""Local stand-ins of Klaviyo, Attentive and Facebook: strict, stateful, reached by a base URL.

They refuse what the vendors refuse, keep their limits, keep their state in one file, and can be
told to fail. Nothing else of this project is imported here, and no destination imports this.
"""

from syncs.sandbox.app import create_app
from syncs.sandbox.server import SandboxStartError, ensure_running, running, serve
from syncs.sandbox.show import render
from syncs.sandbox.state import SandboxState, describe

__all__ = [
    "SandboxStartError",
    "SandboxState",
    "create_app",
    "describe",
    "ensure_running",
    "render",
    "running",
    "serve",
]
