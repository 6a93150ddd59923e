"""The product's settings for the simulation: short waits after failures and deaths, and hardly any limit of pace."""

from integrations.providers.base import Rate
from integrations.providers.hubspot.provider import HubSpot
from integrations.providers.slack.provider import Slack
from tests.processes.chaos_settings import *  # noqa: F403
from tests.processes.settings import DELIVERY_LEASE_S, JOB_TIMEOUT_S, Q_CLUSTER  # noqa: F401

for provider in (HubSpot, Slack):
    provider.rate = Rate(per_s=100, burst=100)
