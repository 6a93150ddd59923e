"""Slack: the adapter's face. Messages go out, and nothing comes in."""

from integrations.exceptions import SetupError
from integrations.providers.base import Account, Provider, Rate
from integrations.providers.oauth import Identity, OAuth
from integrations.providers.slack import client


class Slack(Provider):
    key = "slack"
    name = client.NAME
    origin = client.ORIGIN
    # About one message a second and channel: https://docs.slack.dev/apis/web-api/rate-limits.
    rate = Rate(per_s=1, burst=3)
    oauth = OAuth(
        authorize_url=f"{client.ORIGIN}/oauth/v2/authorize",
        token_url=f"{client.ORIGIN}/api/oauth.v2.access",
        revoke_url=f"{client.ORIGIN}/api/auth.revoke",
        scopes=("chat:write",),
        scope_separator=",",
        purposes={
            "chat:write": "posting messages",
        },
    )
    flows = (
        "Leads with a high score are not told.",
        "Alerts of Keepsync do not reach this workspace.",
    )

    def test(self, account: Account) -> str:
        if client.find_token(account):
            bot, workspace = client.identify_bot(account)
            found = f"Slack answers: the bot is {bot} in {workspace}."
            return found if account.options.get("channel") else f"{found} Set the option channel, to post to."
        if account.credentials.get("webhook_url"):
            return "Slack's incoming webhook is set; it cannot be tested without posting a message."
        raise SetupError(client.NO_CREDENTIALS)

    def identify(self, account: Account) -> Identity:
        return client.identify(account)
