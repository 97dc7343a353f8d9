"""Exit 0 when an address answers 200 (and, of Airflow's components, the named one is healthy)."""

from __future__ import annotations

import json
import sys
import urllib.request


def main(url: str, component: str | None = None) -> int:
    """0 when healthy, 1 when not; the reason goes to standard error."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=4) as reply:
            body = reply.read()
    except OSError as error:
        sys.stderr.write(f"{url}: {error}\n")
        return 1
    if component is None:
        return 0
    status = json.loads(body)[component]["status"]
    if status != "healthy":
        sys.stderr.write(f"{component}: {status}\n")
    return int(status != "healthy")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
