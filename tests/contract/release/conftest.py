"""The home of a first version, for every test of this folder."""

from tests.support.promotion_home import either_home, first, home

__all__ = ["either_home", "first", "home"]
