"""What the demo API keeps: a handful of orders in memory."""

from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Order:
    """One order; `total` is in euros."""

    id: int
    item: str
    quantity: int
    customer: str
    total: float


FIRST_ORDERS = (
    Order(1001, "Field notebook, dotted", 24, "Harbour School", 142.80),
    Order(1002, "Copper desk lamp", 3, "Studio Lindqvist", 267.00),
    Order(1003, "Oak picture frame, A3", 12, "Gallery Nord", 418.80),
    Order(1004, "Linen apron", 40, "Café Miro", 996.00),
)
PRICES = {
    "Field notebook, dotted": 5.95,
    "Copper desk lamp": 89.00,
    "Oak picture frame, A3": 34.90,
    "Linen apron": 24.90,
}


class OrderBook:
    """Orders of one process; they start anew with it."""

    def __init__(self) -> None:
        self._orders = list(FIRST_ORDERS)

    def all(self) -> list[dict[str, object]]:
        return [asdict(order) for order in self._orders]

    def add(self, item: str, quantity: int, customer: str) -> dict[str, object]:
        order = Order(
            self._orders[-1].id + 1, item, quantity, customer, round(PRICES.get(item, 10.0) * quantity, 2)
        )
        self._orders.append(order)
        return asdict(order)

    def report(self) -> dict[str, object]:
        by_customer = {order.customer: 0.0 for order in self._orders}
        for order in self._orders:
            by_customer[order.customer] = round(by_customer[order.customer] + order.total, 2)
        return {
            "orders": len(self._orders),
            "total": round(sum(by_customer.values()), 2),
            "best_customer": max(by_customer, key=by_customer.__getitem__),
            "by_customer": by_customer,
        }
