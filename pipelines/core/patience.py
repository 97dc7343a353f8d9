"""How long a command waits for a remote collaborator that does not answer.

MLflow, PostgreSQL, S3 and Redis have other numbers of attempts and pauses; together they end within
``ANSWER_S``.
"""

from __future__ import annotations

ANSWER_S = 15.0  # the promise to a person who waits for a command
TRANSFER_S = 60.0  # for the answer to a file: a server stores it before it answers


def attempt_s(attempts: int, pauses_s: float = 0.0) -> float:
    """The longest wait of one attempt, in seconds, so that all end within ``ANSWER_S``.

    Arguments:
        attempts: how many there are, at least 1.
        pauses_s: all pauses between them, in seconds.

    >>> attempt_s(3, pauses_s=3)
    4.0
    """
    return (ANSWER_S - pauses_s) / attempts
