"""Seeded draws that are the same on every Python version and machine."""

import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Chance:
    """Draws built on `random()` alone, the one method Python promises never to change."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed).random

    def below(self, limit: int) -> int:
        """A whole number from 0 to `limit` - 1."""
        return int(self._random() * limit)

    def between(self, low: int, high: int) -> int:
        """A whole number from `low` to `high`, both included."""
        return low + self.below(high - low + 1)

    def percent(self, chance: int) -> bool:
        """True in `chance` of a hundred cases."""
        return self.below(100) < chance

    def permille(self, chance: int) -> bool:
        """True in `chance` of a thousand cases."""
        return self.below(1000) < chance

    def pick(self, options: Sequence[T]) -> T:
        """One of the options, all equally likely."""
        return options[self.below(len(options))]

    def weighted(self, options: Sequence[tuple[T, int]]) -> T:
        """One of the (option, weight) pairs' options."""
        draw = self.below(sum(weight for _, weight in options))
        for option, weight in options:
            draw -= weight
            if draw < 0:
                return option
        return options[-1][0]

    def sample(self, options: Sequence[T], size: int) -> list[T]:
        """`size` different options in a random order."""
        pool = list(options)
        for place in range(min(size, len(pool))):
            other = self.between(place, len(pool) - 1)
            pool[place], pool[other] = pool[other], pool[place]
        return pool[:size]

    def text(self, alphabet: str, length: int) -> str:
        """A random word."""
        return "".join(self.pick(alphabet) for _ in range(length))
