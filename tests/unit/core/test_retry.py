"""The bounded retry of compare-and-swap."""

from collections.abc import Iterator

import pytest

from pipelines.core.errors import LockedError, StaleEvidenceError, Unavailable
from pipelines.core.retry import compare_and_swap


class Register:
    """A value that another writer changes a given number of times before each swap."""

    def __init__(self, overtaken: int) -> None:
        self.value, self.overtaken, self.attempts = 0, overtaken, 0

    def add_one(self) -> int:
        self.attempts += 1
        read = self.value
        if self.overtaken:
            self.overtaken -= 1
            self.value += 10
        if self.value != read:
            raise StaleEvidenceError("another writer was faster")
        self.value = read + 1
        return self.value


def test_an_overtaken_attempt_starts_from_the_new_state() -> None:
    register = Register(overtaken=3)
    assert compare_and_swap(register.add_one, pause_s=0) == 31
    assert register.attempts == 4


def test_the_last_allowed_attempt_counts() -> None:
    assert compare_and_swap(Register(overtaken=4).add_one, attempts=5, pause_s=0) == 41


def test_it_gives_up_after_the_given_number_of_attempts() -> None:
    register = Register(overtaken=100)
    with pytest.raises(Unavailable, match="5 attempts; the last one: another writer") as caught:
        compare_and_swap(register.add_one, attempts=5, pause_s=0)
    assert register.attempts == 5
    assert isinstance(caught.value.__cause__, StaleEvidenceError)


def test_other_errors_are_not_retried() -> None:
    calls: list[int] = []

    def broken() -> None:
        calls.append(1)
        raise LockedError("the lock is held")

    with pytest.raises(LockedError):
        compare_and_swap(broken)
    assert len(calls) == 1


def test_the_exception_that_means_overtaken_can_be_chosen() -> None:
    answers: Iterator[Exception | int] = iter([BlockingIOError(), 7])

    def attempt() -> int:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert compare_and_swap(attempt, retry_on=BlockingIOError, pause_s=0) == 7


def test_an_error_without_a_message_is_reported_by_its_type() -> None:
    def attempt() -> None:
        raise BlockingIOError

    with pytest.raises(Unavailable, match="the last one: BlockingIOError"):
        compare_and_swap(attempt, retry_on=BlockingIOError, attempts=2, pause_s=0)


def test_pauses_double_up_to_a_tenth_of_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("time.sleep", pauses.append)
    with pytest.raises(Unavailable):
        compare_and_swap(Register(overtaken=100).add_one, attempts=10, pause_s=0.01)
    assert pauses == [0.01, 0.02, 0.04, 0.08, 0.1, 0.1, 0.1, 0.1, 0.1]


def test_zero_attempts_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        compare_and_swap(lambda: None, attempts=0)
