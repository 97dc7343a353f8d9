"""Text from outside as text for Rich's markup; see ``pipelines.core.markup``.

Rich has no escape that holds in every place: a bracket that it leaves alone can become a tag with
what follows. So brackets and backslashes are replaced by characters of Unicode's private use, and
the console puts them back when the markup has been read.
"""

from __future__ import annotations

import re

from pipelines.core.markup import visible

_SIGNS = {"[": "\ue000", "\\": "\ue001"}
_HIDDEN = str.maketrans(_SIGNS)
_SHOWN = str.maketrans({hidden: sign for sign, hidden in _SIGNS.items()})
_RESERVED = re.compile("[\ue000\ue001]")


def rich_text(text: str) -> str:
    """Text that ``pipelines.cli.output.Output`` shows as it is, inside markup too."""
    return _RESERVED.sub("\ufffd", visible(text)).translate(_HIDDEN)


def shown(text: str) -> str:
    """What ``rich_text`` was made from.

    >>> shown(rich_text("[red] and [/]"))
    '[red] and [/]'
    """
    return text.translate(_SHOWN)
