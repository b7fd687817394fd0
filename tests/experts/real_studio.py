"""A real Label Studio server, on SQLite, in an environment of its own.

`LABEL_STUDIO` names its executable (`make studio` builds one). A database beside it that is made already,
`label_studio.sqlite3` two folders up, spares the server the minutes that it takes to make one.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from tests.experts.stand_in import TOKEN

VARIABLE = "LABEL_STUDIO"
PATIENCE = 600
NAME = "label_studio.sqlite3"


@contextmanager
def real_studio(executable: Path, folder: Path) -> Iterator[str]:
    """Start the server, give its address once it answers, and end it. Its data are in `folder`."""
    made = executable.parent.parent / NAME
    if made.exists():
        shutil.copy(made, folder / NAME)
    port = _free_port()
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [executable, *_arguments(port)], env=environment(folder), stdout=log, stderr=log, cwd=folder
        )
        try:
            url = f"http://127.0.0.1:{port}"
            _wait(url, process, folder / "server.log")
            yield url
        finally:
            process.terminate()
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(timeout=30)


def environment(folder: Path) -> dict[str, str]:
    """Variables for a server that keeps to `folder` and calls nobody."""
    own = {
        "LABEL_STUDIO_BASE_DATA_DIR": str(folder),
        "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
        "COLLECT_ANALYTICS": "false",
        "LATEST_VERSION_CHECK": "false",
        "SECRET_KEY": "only for tests",
        "LOG_LEVEL": "WARNING",
    }
    # this package's own environment would hide theirs
    return {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")} | own


def _arguments(port: int) -> list[str]:
    user = ["--username", "expert@example.org", "--password", "only-for-tests-1", "--user-token", TOKEN]
    return ["start", "--no-browser", "--internal-host", "127.0.0.1", "--port", str(port), *user]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urlopen(f"{url}/health", timeout=5):
                return
        except (URLError, OSError):
            time.sleep(0.5)
    raise RuntimeError(f"Label Studio did not start within {PATIENCE} s: {log.read_text(errors='replace')[-3000:]}")
