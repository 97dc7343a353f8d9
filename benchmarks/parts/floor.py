"""The least that a service on uvicorn takes: an ASGI handler that answers with a constant.

python -m parts.floor <port> <workers>
"""

from __future__ import annotations

import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any

CONTENT = json.dumps(
    {
        "model": "demand",
        "predictions": [
            {
                "request_id": "0" * 32 + ".0",
                "prediction": 25.5,
                "version": "1",
                "arm": "champion",
                "decided_at": "2026-03-02T12:00:00.000000Z",
                "freshness_s": {"dispensing_by_pharmacy_medicine": 3600.0},
            }
        ],
    }
).encode()
HEADERS = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(CONTENT))]


async def constant(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    """Read the body of a request, and answer."""
    if scope["type"] == "http":
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        await send({"type": "http.response.body", "body": CONTENT})


if __name__ == "__main__":
    import uvicorn

    uvicorn.run(
        "parts.floor:constant",
        port=int(sys.argv[1]),
        workers=int(sys.argv[2]),
        lifespan="off",
        access_log=False,
        log_level="warning",
    )
