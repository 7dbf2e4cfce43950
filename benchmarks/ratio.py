"""One measured ratio and the bar that it is held against."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Ratio:
    """`value` and `bar` have no unit: both sides of a ratio were measured in the same run. Without a bar it is
    told and not judged."""

    name: str
    value: float
    bar: float | None
    better: Literal["low", "high"]

    @property
    def passed(self) -> bool:
        """True when the value keeps its bar."""
        if self.bar is None:
            return True
        return self.value <= self.bar if self.better == "low" else self.value >= self.bar
