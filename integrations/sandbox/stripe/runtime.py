"""The one account of this process."""

from functools import cache

from integrations.sandbox.runtime import get_sender, get_state_file
from integrations.sandbox.stripe.account import Account


@cache
def get_account() -> Account:
    return Account(get_state_file(), get_sender("stripe"))
