"""E-mail: the adapter's face. It sends no webhooks, and its server is the one that EMAIL_URL names."""

from integrations.providers.base import Account, Provider, Rate
from integrations.providers.email import client


class Email(Provider):
    key = "email"
    name = "E-mail"
    origin = ""
    flows = ("Confirmations, cancellations and links to pay are not sent.",)
    rate = Rate(per_s=10, burst=20)

    def test(self, account: Account) -> str:
        return client.check_mailer(account)
