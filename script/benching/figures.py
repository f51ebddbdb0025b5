"""Medians, spreads and ratios, and the rows they stand in."""

import statistics
from dataclasses import dataclass, field


def shown(value):
    """Three digits, and no more."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def spread(values):
    if len(values) == 1:
        return shown(values[0])
    return f"{shown(statistics.median(values))} ({shown(min(values))}–{shown(max(values))})"


def ratio(ours, theirs):
    """The median of the pairs' ratios: what slows both of a pair does not show."""
    return statistics.median(a / b for a, b in zip(ours, theirs))


@dataclass
class Reach:
    """What a row is to reach: a figure, at most or at least."""
    figure: float
    at_least: bool = False
    unit: str = ""

    def __str__(self):
        sign = "≥" if self.at_least else "≤"
        return f"{sign} {self.figure:g}{self.unit}" if self.at_least else f"{sign} {self.figure:.2f}{self.unit}"

    def holds(self, value):
        return value >= self.figure if self.at_least else value <= self.figure


@dataclass
class Row:
    """One comparison. `value` is what the reach is about: the ratio, where nothing else is said."""
    what: str
    against: str
    ours: list
    theirs: list
    unit: str
    reach: Reach | None = None
    value: float | None = None
    notes: list = field(default_factory=list)

    @property
    def ratio(self):
        return ratio(self.ours, self.theirs) if self.theirs else None

    @property
    def verdict(self):
        if self.reach is None:
            return ""
        return "yes" if self.reach.holds(self.ratio if self.value is None else self.value) else "**no**"

    def cells(self):
        by = f" {self.unit}"
        theirs = spread(self.theirs) + by if self.theirs else ""
        compared = f"{self.ratio:.2f}" if self.theirs else ""
        return [self.what, self.against, spread(self.ours) + by, theirs, compared,
                str(self.reach) if self.reach else "", self.verdict]


@dataclass
class Absolute:
    """A figure of its own, with what it is to be if that was said."""
    what: str
    value: str
    aim: str = ""
    verdict: str = ""
