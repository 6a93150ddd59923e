"""SOQL, as much of it as a sync needs.

    SELECT a, b FROM Contact WHERE F = 'x' AND F IN ('x', 'y') AND F >= 2026-11-23T00:00:00Z ORDER BY F DESC, G LIMIT 5

    SELECT COUNT() FROM Contact          SELECT Id, Account.Name FROM Contact

Comparisons: = != < <= > >= LIKE, IN, NOT IN. Literals: texts, numbers, instants, true, false, null.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from integrations.sandbox.salesforce.answers import SalesforceError
from integrations.sandbox.salesforce.catalog import FIELDS, Field
from integrations.sandbox.salesforce.records import Row, State

TOKEN = re.compile(
    r"""\s*(?:(?P<text>'(?:[^'\\]|\\.)*')
        |(?P<instant>\d{4}-\d\d-\d\d(?:T\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d))?)
        |(?P<number>-?\d+(?:\.\d+)?)
        |(?P<word>[A-Za-z_][A-Za-z0-9_.]*)
        |(?P<sign>!=|<=|>=|[=<>(),]))""",
    re.VERBOSE,
)
ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}
SIGNS = ("=", "!=", "<", "<=", ">", ">=")
# The one field of another record that is known, by its Contacts.
ACCOUNT_NAME = "Account.Name"
LITERALS = {"true": True, "false": False, "null": None}

type Test = Callable[[Mapping[str, Any]], bool]


@dataclass(frozen=True)
class Query:
    """`fields` are their proper names, none to count only; `orders` are pairs of a field and whether it falls."""

    sobject: str
    fields: tuple[str, ...]
    tests: tuple[Test, ...]
    orders: tuple[tuple[Field, bool], ...]
    limit: int | None

    def run(self, state: State, *, with_deleted: bool = False) -> list[dict[str, Any]]:
        rows = state.rows_of(self.sobject, with_deleted=with_deleted)
        pairs = [(row, row.show()) for row in rows]
        found = [(row, shown) for row, shown in pairs if all(test(shown) for test in self.tests)]
        for field, is_falling in reversed(self.orders):
            # Nothing comes first, as Salesforce has it by default.
            found.sort(key=lambda pair: order_key(field, pair[1].get(field.name)), reverse=is_falling)
        return [self._show(state, row, shown) for row, shown in found[: self.limit]]

    def _show(self, state: State, row: Row, shown: Mapping[str, Any]) -> dict[str, Any]:
        own = {name: shown[name] for name in self.fields if name != ACCOUNT_NAME}
        account = {"Account": show_account(state, row)} if ACCOUNT_NAME in self.fields else {}
        return {"attributes": describe(row), **own, **account}


def describe(row: Row) -> dict[str, str]:
    return {"type": row.sobject, "url": f"/services/data/v59.0/sobjects/{row.sobject}/{row.id}"}


def show_account(state: State, row: Row) -> dict[str, Any] | None:
    """The Account of a Contact with its name, as a record in the record."""
    account = state.find(row.values.get("AccountId") or "")
    return {"attributes": describe(account), "Name": account.values["Name"]} if account else None


def order_key(field: Field, value: Any) -> tuple[bool, Any]:
    if field.kind == "id":
        return (value is not None, (value or "")[:15])
    return (value is not None, value.lower() if isinstance(value, str) else value or 0)


def refuse(problem: str) -> SalesforceError:
    return SalesforceError("MALFORMED_QUERY", problem)


class Parser:
    """Reads a query from left to right. Raises SalesforceError (MALFORMED_QUERY, INVALID_TYPE, INVALID_FIELD)."""

    def __init__(self, state: State, text: str) -> None:
        self._state = state
        self._tokens = list(split(text))
        self._place = 0

    def read(self) -> Query:
        self._expect("SELECT")
        names = self._read_names()
        self._expect("FROM")
        self._sobject = self._read_sobject()
        fields = tuple(self._find_column(name) for name in names)
        tests = self._read_tests() if self._accept("WHERE") else ()
        orders = self._read_orders() if self._accept("ORDER") else ()
        limit = self._read_limit() if self._accept("LIMIT") else None
        if self._place < len(self._tokens):
            raise refuse(f"unexpected token: '{self._tokens[self._place][1]}'")
        return Query(self._sobject, fields, tests, orders, limit)

    def _read_names(self) -> list[str]:
        """None where the rows are only counted."""
        names = [self._word()]
        if names[0].upper() == "COUNT" and self._accept("("):
            self._expect(")")
            return []
        while self._accept(","):
            names.append(self._word())
        return names

    def _find_column(self, name: str) -> str:
        if self._sobject == "Contact" and name.lower() == ACCOUNT_NAME.lower():
            return ACCOUNT_NAME
        return self._find(name).name

    def _read_sobject(self) -> str:
        name = self._word()
        known = {sobject.lower(): sobject for sobject in FIELDS}
        if name.lower() not in known:
            raise SalesforceError("INVALID_TYPE", f"sObject type '{name}' is not supported.")
        return known[name.lower()]

    def _find(self, name: str) -> Field:
        field = self._state.fields_of(self._sobject).get(name.lower())
        if field is None:
            raise SalesforceError("INVALID_FIELD", f"No such column '{name}' on entity '{self._sobject}'.")
        return field

    def _read_tests(self) -> tuple[Test, ...]:
        tests = [self._read_test()]
        while self._accept("AND"):
            tests.append(self._read_test())
        return tuple(tests)

    def _read_test(self) -> Test:
        field = self._find(self._word())
        is_negative = self._accept("NOT")
        if is_negative or self._is_next("IN"):
            self._expect("IN")
            values = [fold(field, value) for value in self._read_list(field)]
            return lambda shown: (fold(field, shown[field.name]) in values) is not is_negative
        if self._accept("LIKE"):
            pattern = re.escape(str(self._literal(field))).replace("%", ".*").replace("_", ".")
            return lambda shown: re.fullmatch(pattern, shown[field.name] or "", re.IGNORECASE | re.DOTALL) is not None
        kind, sign = self._take()
        if kind != "sign" or sign not in SIGNS:
            raise refuse(f"unexpected token: '{sign}'")
        value = fold(field, self._literal(field))
        return lambda shown: compare(fold(field, shown[field.name]), sign, value)

    def _read_list(self, field: Field) -> list[Any]:
        self._expect("(")
        values = [self._literal(field)]
        while self._accept(","):
            values.append(self._literal(field))
        self._expect(")")
        return values

    def _read_orders(self) -> tuple[tuple[Field, bool], ...]:
        self._expect("BY")
        orders = [self._read_order()]
        while self._accept(","):
            orders.append(self._read_order())
        return tuple(orders)

    def _read_order(self) -> tuple[Field, bool]:
        field = self._find(self._word())
        if self._accept("DESC"):
            return field, True
        self._accept("ASC")
        return field, False

    def _read_limit(self) -> int:
        kind, text = self._take()
        if kind != "number" or not text.isdecimal():
            raise refuse(f"unexpected token: '{text}'")
        return int(text)

    def _literal(self, field: Field) -> Any:
        kind, text = self._take()
        if kind == "text" and field.kind in ("text", "email", "id"):
            value = re.sub(r"\\(.)", lambda escape: ESCAPES.get(escape[1], escape[1]), text[1:-1], flags=re.DOTALL)
            if field.kind == "id" and value and not re.fullmatch("[0-9A-Za-z]{15}(?:[0-9A-Za-z]{3})?", value):
                raise SalesforceError("INVALID_QUERY_FILTER_OPERATOR", f"invalid ID field: {value}")
            return value
        if kind == "instant" and field.kind in ("instant", "date"):
            return text
        if kind == "number" and field.kind == "number":
            return float(text)
        if kind == "word" and text.lower() in LITERALS:
            literal = LITERALS[text.lower()]
            if literal is None or field.kind == "bool":
                return literal
        raise SalesforceError("INVALID_FIELD", f"value of filter criterion for field '{field.name}' is of another type")

    def _take(self) -> tuple[str, str]:
        if self._place >= len(self._tokens):
            raise refuse("unexpected end of query")
        self._place += 1
        return self._tokens[self._place - 1]

    def _word(self) -> str:
        kind, text = self._take()
        if kind != "word":
            raise refuse(f"unexpected token: '{text}'")
        return text

    def _is_next(self, text: str) -> bool:
        return self._place < len(self._tokens) and self._tokens[self._place][1].upper() == text

    def _accept(self, text: str) -> bool:
        is_next = self._is_next(text)
        self._place += is_next
        return is_next

    def _expect(self, text: str) -> None:
        if not self._accept(text):
            raise refuse(f"expecting {text}")


def split(text: str) -> list[tuple[str, str]]:
    """Tokens as pairs of kind and text."""
    tokens, place, text = [], 0, text.rstrip()
    while place < len(text):
        match = TOKEN.match(text, place)
        if match is None or match.lastgroup is None:
            raise refuse(f"unexpected token: '{text[place : place + 20]}'")
        tokens.append((match.lastgroup, match[match.lastgroup]))
        place = match.end()
    return tokens


def fold(field: Field, value: Any) -> Any:
    """What values of a field are compared by: texts without case, ids by their 15 characters, instants in time."""
    if value is None or value == "":
        return None
    if field.kind == "id":
        return str(value)[:15]
    if field.kind == "instant":
        return datetime.fromisoformat(value if "T" in value else f"{value}T00:00:00Z")
    return value.lower() if isinstance(value, str) else value


def compare(held: Any, sign: str, value: Any) -> bool:
    if sign in ("=", "!="):
        return bool(held == value) is (sign == "=")
    if held is None or value is None:
        return False
    return bool({"<": held < value, "<=": held <= value, ">": held > value, ">=": held >= value}[sign])
