"""A browser without a window."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from shutil import which

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
BROWSER = next((path for name in NAMES if (path := which(name))), None)


def open_page(page: str, folder: Path) -> tuple[str, list[str]]:
    """The page as the browser built it up, and the addresses that the page asked for, itself left out.

    No name is resolved, so nothing leaves the machine.
    """
    assert BROWSER is not None
    (folder / "page.html").write_text(page, encoding="utf8")
    log = folder / "net.json"
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    options += [
        "--host-resolver-rules=MAP * ~NOTFOUND",
        f"--user-data-dir={folder / 'profile'}",
        f"--log-net-log={log}",
    ]
    done = subprocess.run(
        [BROWSER, *options, "--dump-dom", (folder / "page.html").as_uri()],
        capture_output=True,
        encoding="utf8",
        timeout=300,
        check=True,
    )
    net = json.loads(log.read_text(encoding="utf8"))
    started = net["constants"]["logEventTypes"]["URL_REQUEST_START_JOB"]
    # what the browser wants for itself has no origin
    asked = [
        event["params"]["url"]
        for event in net["events"]
        if event["type"] == started and event.get("params", {}).get("initiator", "not an origin") != "not an origin"
    ]
    return done.stdout, asked
