"""Loaded pipelines for scoring: one that this process has loaded before is not loaded again.

A record of many weeks scores each kept candidate, and a backfill does so each week.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.packaging.package import CODE
from pipelines.packaging.version import MAY_REFUSE, load_pipeline

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

MOST_BYTES = 64 << 20  # of the files of all pipelines that are held

_lock = threading.Lock()
_held: OrderedDict[str, tuple[Pipeline, int]] = OrderedDict()


def scoring_pipeline(folder: Path) -> Pipeline:
    """The fitted pipeline in a model directory, for predictions only: callers share it.

    The files are read and compared by their hashes each time. A pipeline with own code, which may
    change itself when it predicts, is loaded each time.

    Raises:
        As ``load_pipeline``.
    """
    if (folder / CODE).exists() or MAY_REFUSE in os.environ:
        return load_pipeline(folder)
    whole, size = hashlib.sha256(), 0
    for path in sorted(path for path in folder.iterdir() if path.is_file()):
        content = path.read_bytes()
        size += len(content)
        for part in (path.name.encode(), content):
            whole.update(hashlib.sha256(part).digest())
    key = whole.hexdigest()
    with _lock:
        if key in _held:
            _held.move_to_end(key)
            return _held[key][0]
    loaded = load_pipeline(folder)
    with _lock:
        _held[key] = loaded, size
        while sum(held for _, held in _held.values()) > MOST_BYTES:
            _held.popitem(last=False)
    return loaded
