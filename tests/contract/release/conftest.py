"""The home of a first version, for every test of this folder."""

from tests.support.promotion_home import first, home

__all__ = ["first", "home"]
