"""A shopping cart; prices are in cents."""

from __future__ import annotations

DISCOUNTS = {"SPRING": 10, "STAFF": 25}


class Cart:
    """Articles with prices and quantities."""

    def __init__(self) -> None:
        self.lines: dict[str, tuple[int, int]] = {}

    def add(self, article: str, price: int, quantity: int = 1) -> None:
        if quantity < 1:
            raise ValueError(f"quantity must be at least 1, not {quantity}")
        _, before = self.lines.get(article, (price, 0))
        self.lines[article] = price, before + quantity

    def total(self, code: str | None = None) -> int:
        gross = sum(price * quantity for price, quantity in self.lines.values())
        return gross - gross * (DISCOUNTS.get(code or "", 0) // 100)

    def tags(self) -> set[str]:
        return {article.split("-")[0] for article in self.lines}
