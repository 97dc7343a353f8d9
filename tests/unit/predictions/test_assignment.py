"""Arms: pinned to the bit, exact in share, independent of each other, and kept over a ramp."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from itertools import pairwise

import pytest
from pydantic import ValidationError

from pipelines.core.errors import DataError, SpecError
from pipelines.predictions.assignment import Allocation, arm_of, in_shadow, stage_of
from pipelines.spec.predictions import Arm

MANY = 200_000
SHOPS = [{"shop": f"s-{number}"} for number in range(MANY)]
# A fair audit fails by chance in 1 of 15,000 checks, and what is drawn here never changes.
SIGMAS = 4.0
RAMP = (0.01, 0.05, 0.1, 0.25, 0.5)


def by_the_book(salt: str, message: str) -> int:
    """RFC 2104 written out: H((K ^ opad) || H((K ^ ipad) || message)), its first 64 bits."""
    key = salt.encode().ljust(64, b"\0")
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in key) + message.encode()).digest()
    outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in key) + inner).digest()
    return int.from_bytes(outer[:8], "big")


def expected_arm(place: int, share: float) -> Arm:
    at = place / 2**64
    if at < share:
        return Arm.CHALLENGER
    return Arm.CONTROL if 0.5 <= at < 0.5 + share else Arm.CHAMPION


# `printf 'entity\n<canonical JSON>' | openssl dgst -sha256 -hmac spring`, the first 16 digits over
# 2**64, compared with [0, 0.25) and [0.5, 0.75). These never change: a change moves everybody.
PUBLISHED = (
    ({"shop": "s-1"}, 0x9AF9E950CFB4DC04, Arm.CONTROL),
    ({"shop": "s-2"}, 0x2F7051E5C39A6B97, Arm.CHALLENGER),
    ({"shop": 7, "medicine": "amoxicillin"}, 0x93F1C772BE9C450D, Arm.CONTROL),
    ({"medicine": "amoxicillin", "shop": "s-1"}, 0x7AD48439BE78308E, Arm.CHAMPION),
    ({"patient": "Ä"}, 0xA8D4572CF2D51BBE, Arm.CONTROL),
)


@pytest.mark.parametrize(("entity", "place", "arm"), PUBLISHED)
def test_published_arms_never_change(entity: dict[str, object], place: int, arm: Arm) -> None:
    assert arm_of(entity, Allocation(salt="spring", share=0.25)) is arm
    assert expected_arm(place, 0.25) is arm


@pytest.mark.parametrize("number", range(40))
def test_an_arm_is_what_the_published_rule_gives(number: int) -> None:
    place = by_the_book("spring", f'entity\n{{"medicine":"m-{number}","shop":{number}}}')
    entity = {"shop": number, "medicine": f"m-{number}"}
    for share in (*RAMP, 0.0):
        found = arm_of(entity, Allocation(salt="spring", share=share))
        assert found is expected_arm(place, share)


def within(count: int, rows: int, share: float) -> bool:
    return abs(count - rows * share) <= SIGMAS * math.sqrt(rows * share * (1 - share))


@pytest.mark.parametrize("share", RAMP)
def test_challenger_and_control_get_the_same_exact_share(share: float) -> None:
    allocation = Allocation(salt="spring", share=share)
    counts = Counter(arm_of(shop, allocation) for shop in SHOPS)
    for arm in (Arm.CHALLENGER, Arm.CONTROL):
        assert within(counts[arm], MANY, share), f"{arm} has {counts[arm]} of {MANY} at {share}"
    assert counts[Arm.CHAMPION] == MANY - counts[Arm.CHALLENGER] - counts[Arm.CONTROL]


def test_two_rollouts_divide_independently_of_each_other() -> None:
    """A salt of its own: an entity of any arm last time is as likely in any arm this time."""
    first, second = (Allocation(salt=salt, share=0.3) for salt in ("spring", "autumn"))
    pairs = Counter((arm_of(shop, first), arm_of(shop, second)) for shop in SHOPS)
    shares = {Arm.CHALLENGER: 0.3, Arm.CONTROL: 0.3, Arm.CHAMPION: 0.4}
    for one, other in ((one, other) for one in shares for other in shares):
        assert within(pairs[one, other], MANY, shares[one] * shares[other]), (
            f"{one} then {other}: {pairs[one, other]} of {MANY}"
        )


def test_a_ramp_keeps_every_entity_in_its_arm_and_stage() -> None:
    for shop in SHOPS[:20_000]:
        arms = [arm_of(shop, Allocation(salt="spring", share=share)) for share in RAMP]
        for before, after in pairwise(arms):
            assert before in (Arm.CHAMPION, after), f"{shop} went from {before} to {after}"
        inside = [arm is not Arm.CHAMPION for arm in arms]
        stages = [stage_of(shop, "spring", RAMP[:reached]) for reached in range(1, len(RAMP) + 1)]
        entered = inside.index(True)  # at a share of a half everybody is in
        assert stages == [None] * entered + [entered] * (len(RAMP) - entered)


@pytest.mark.parametrize("shares", [(0.1, 0.1), (0.2, 0.1), (0.1, 0.6), (0.0,), (-0.1,)])
def test_stages_that_do_not_grow_are_refused(shares: tuple[float, ...]) -> None:
    with pytest.raises(SpecError, match="do not grow"):
        stage_of(SHOPS[0], "spring", shares)


def test_shadow_is_a_share_of_requests_whatever_their_arm() -> None:
    allocation = Allocation(salt="spring", share=0.5, shadow_share=0.2)
    shadowed = Counter(
        arm_of(shop, allocation)
        for number, shop in enumerate(SHOPS)
        if in_shadow(f"s-{number}", allocation)  # the same text: only the kind tells them apart
    )
    for arm in (Arm.CHALLENGER, Arm.CONTROL):
        assert within(shadowed[arm], MANY, 0.1), f"{shadowed[arm]} shadowed of {arm}"
    assert not in_shadow("r", Allocation(salt="spring"))
    assert all(in_shadow(f"{n}", Allocation(salt="s", shadow_share=1)) for n in range(1000))


def test_the_same_entity_spelled_differently_has_one_arm() -> None:
    allocation = Allocation(salt="spring", share=0.25)
    for number in range(200):
        arms = {
            arm_of({"shop": number, "week": 3}, allocation),
            arm_of({"week": 3, "shop": number}, allocation),
            arm_of({"shop": float(number), "week": 3.0}, allocation),
        }
        assert len(arms) == 1, f"order of keys or 7 and 7.0 changed the arm of {number}: {arms}"


@pytest.mark.parametrize("entity", [{}, {"at": float("nan")}, {"at": object()}, {"at": "\ud800"}])
def test_what_is_no_entity_has_no_arm(entity: dict[str, object]) -> None:
    with pytest.raises(DataError):
        arm_of(entity, Allocation(salt="spring", share=0.1))


@pytest.mark.parametrize("wrong", [{"salt": ""}, {"share": 0.51}, {"shadow_share": 1.1}])
def test_an_impossible_allocation_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Allocation.model_validate({"salt": "spring"} | wrong)
