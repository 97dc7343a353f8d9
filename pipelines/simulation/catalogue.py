"""Fixed data of the world: kinds of pharmacy, classes of medicine, names."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

ZONE = "Europe/Berlin"
REGIONS = ("north", "east", "south", "west")
CHAINS = ("independent", "alpha", "beta")


class Season(NamedTuple):
    """A yearly bump ``1 + height * exp(sharpness * (cos(angle) - 1))`` around a day of the year."""

    peak_day: float
    height: float
    sharpness: float

    def at(self, day_of_year: float) -> float:
        """Factor on demand, at least 1, for a day of the year in 1 to 366."""
        angle = 2 * np.pi * (day_of_year - self.peak_day) / 365.25
        return float(1 + self.height * np.exp(self.sharpness * (np.cos(angle) - 1)))


SEASONS = {
    "cold_flu": Season(peak_day=38, height=2.2, sharpness=3.0),
    "allergy": Season(peak_day=135, height=3.0, sharpness=6.0),
    "antibiotic": Season(peak_day=25, height=0.8, sharpness=1.5),
    "heart": Season(peak_day=15, height=0.05, sharpness=1.0),
    "diabetes": Season(peak_day=15, height=0.0, sharpness=1.0),
    "pain": Season(peak_day=350, height=0.2, sharpness=1.0),
    "skin": Season(peak_day=190, height=0.8, sharpness=3.0),
    "stomach": Season(peak_day=0, height=0.25, sharpness=4.0),
}
CLASSES = tuple(SEASONS)
EPIDEMIC_CLASSES = ("cold_flu", "antibiotic", "stomach")

# medicine, class, tablets or doses in a pack, list price in euro, weight in the market
MEDICINES = (
    ("paracetamol", "cold_flu", 20, 3.40, 1.6),
    ("metformin", "diabetes", 120, 14.20, 1.3),
    ("cetirizine", "allergy", 50, 8.90, 0.9),
    ("amoxicillin", "antibiotic", 20, 15.60, 0.9),
    ("ramipril", "heart", 100, 12.80, 1.4),
    ("bisoprolol", "heart", 100, 13.10, 1.2),
    ("ibuprofen", "pain", 50, 6.20, 1.5),
    ("pantoprazole", "stomach", 98, 19.40, 1.2),
    ("hydrocortisone", "skin", 30, 7.70, 0.6),
    ("oseltamivir", "cold_flu", 10, 31.50, 0.5),
    ("sitagliptin", "diabetes", 98, 52.30, 0.8),
    ("loratadine", "allergy", 30, 7.10, 0.7),
    ("azithromycin", "antibiotic", 6, 17.90, 0.6),
    ("atorvastatin", "heart", 100, 16.40, 1.3),
    ("diclofenac", "pain", 50, 9.30, 0.9),
    ("loperamide", "stomach", 12, 5.10, 0.6),
    ("acyclovir", "skin", 25, 11.20, 0.5),
    ("xylometazoline", "cold_flu", 10, 4.30, 1.2),
    ("insulin_glargine", "diabetes", 10, 88.00, 0.7),
    ("doxycycline", "antibiotic", 20, 14.10, 0.6),
)


class PharmacyKind(NamedTuple):
    """The properties of a kind of pharmacy."""

    weight: float  # share of all pharmacies
    size: float  # prescriptions a day, relative to a community pharmacy
    extra_packs: float  # mean packs of a prescription beyond the first
    weekdays: tuple[float, ...]  # Monday to Sunday, relative
    opens: float  # hour on the local clock
    closes: float


KINDS = {
    "community": PharmacyKind(0.75, 1.0, 0.4, (1.25, 1.1, 1.05, 1.05, 1.25, 0.6, 0.05), 8, 19),
    "hospital": PharmacyKind(0.15, 1.3, 2.5, (1.4, 1.2, 1.1, 1.1, 1.3, 0.5, 0.4), 6, 21),
    "online": PharmacyKind(0.10, 1.6, 0.8, (1.3, 1.2, 1.1, 1.0, 0.9, 0.7, 0.8), 1, 23),
}
KIND_NAMES = tuple(KINDS)


def medicine_names(number: int) -> tuple[str, ...]:
    """``number`` names: the catalogue, then its medicines again under other brands."""
    return tuple(
        MEDICINES[i % len(MEDICINES)][0] + (f"_{i // len(MEDICINES) + 1}" if i >= 20 else "")
        for i in range(number)
    )
