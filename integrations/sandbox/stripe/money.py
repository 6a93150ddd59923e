"""Amounts as people read them."""

# https://docs.stripe.com/currencies: amounts of these are in whole units.
ZERO_DECIMAL = frozenset(
    ["bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "ugx", "vnd", "vuv", "xaf", "xof", "xpf"]
)


def format_money(amount: int, currency: str) -> str:
    """For example: 4900, eur -> EUR 49.00."""
    if currency in ZERO_DECIMAL:
        return f"{currency.upper()} {amount:,}"
    return f"{currency.upper()} {amount // 100:,}.{amount % 100:02}"
