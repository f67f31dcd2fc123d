"""Money: integer nano-dollars, parsed and printed here and nowhere else."""

import re
from dataclasses import dataclass
from typing import Self

NANO_PER_USD = 1_000_000_000
LARGEST_AMOUNT_NANO = 1_000_000 * NANO_PER_USD
_AMOUNT = re.compile(r"\$?(?P<whole>\d{1,12})(?:\.(?P<fraction>\d{1,9}))?", re.ASCII)


class AmountError(ValueError):
    """The text is not an amount of dollars that anyone can have meant; the message says what to write instead."""


@dataclass(frozen=True, slots=True, order=True)
class Usd:
    """An amount of US dollars as integer nano-dollars; may be negative as a difference."""

    nano: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `5`, `0.25` or `$12.50`: at least zero, at most 1,000,000, at most nine decimals. Raises AmountError."""
        match = _AMOUNT.fullmatch(text.strip())
        if match is None:
            raise AmountError(f"{text.strip()[:40]!r} is not an amount in dollars: write it like 5 or 2.50")
        nano = int(match["whole"]) * NANO_PER_USD + int((match["fraction"] or "").ljust(9, "0"))
        if nano > LARGEST_AMOUNT_NANO:
            raise AmountError(f"{text.strip()[:40]!r} is more than $1000000, the largest amount there is")
        return cls(nano)

    def exact(self) -> str:
        """The amount as a decimal string with every digit: `0.420000001`, `5.00`, `-0.25`."""
        whole, nano = divmod(abs(self.nano), NANO_PER_USD)
        fraction = f"{nano:09d}".rstrip("0").ljust(2, "0")
        return f"{'-' if self.nano < 0 else ''}{whole}.{fraction}"

    def __str__(self) -> str:
        """The amount as people read it: cents, or two significant digits below a cent (`$0.0042`)."""
        sign, nano = ("-", -self.nano) if self.nano < 0 else ("", self.nano)
        if 0 < nano < NANO_PER_USD // 100:
            places = next(n for n in range(3, 10) if nano * 10**n >= NANO_PER_USD)
            digits = min(places + 1, 9)
        else:
            digits = 2
        unit = 10 ** (9 - digits)
        whole, rest = divmod((nano + unit // 2) // unit, 10**digits)
        return f"{sign}${whole}.{rest:0{digits}d}"

    def __add__(self, other: "Usd") -> "Usd":
        return Usd(self.nano + other.nano)

    def __sub__(self, other: "Usd") -> "Usd":
        return Usd(self.nano - other.nano)

    def __neg__(self) -> "Usd":
        return Usd(-self.nano)

    def __bool__(self) -> bool:
        return self.nano != 0


ZERO = Usd(0)
