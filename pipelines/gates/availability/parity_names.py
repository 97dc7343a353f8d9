"""Names of the findings about the prediction log of one version."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ParityNames:
    """The names for the log of the champion, or of a version that is champion of a segment.

    >>> ParityNames().feature("sold"), ParityNames("4").feature("sold")
    ('availability.parity.sold', 'availability.segment_parity.4.sold')

    Arguments:
        segment: the version that is champion of a segment; None for the champion.
    """

    segment: str | None = None

    @property
    def whole(self) -> str:
        """About the log as a whole."""
        champion = self.segment is None
        return "availability.parity" if champion else f"availability.segment_parity.{self.segment}"

    @property
    def preprocessing(self) -> str:
        """About the fitted preprocessing."""
        if self.segment is None:
            return "availability.parity.preprocessing"
        return f"availability.segment_parity.{self.segment}.preprocessing"

    @property
    def prediction(self) -> str:
        """About the answers."""
        if self.segment is None:
            return "availability.parity.prediction"
        return f"availability.segment_parity.{self.segment}.prediction"

    def feature(self, name: str) -> str:
        """About the values of a feature."""
        if self.segment is None:
            return f"availability.parity.{name}"
        return f"availability.segment_parity.{self.segment}.{name}"


CHAMPION = ParityNames()
CANDIDATE_PREPROCESSING = "availability.parity.candidate_preprocessing"
