"""The product's settings with short waits, so that a test sees within seconds what else takes hours."""

from config.settings import *  # noqa: F403
from integrations import retries
from integrations.providers.base import Rate
from integrations.providers.pipedrive.provider import Pipedrive
from integrations.providers.salesforce import errors as salesforce

# More tries than the product's, which are spread over a day: no side fails 30 % of all calls for so long.
retries.SCHEDULE_S = (0.5, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5)  # type: ignore[assignment]
# Salesforce's limit is that of a day, and has no Retry-After.
salesforce.USED_UP_S = 1
# Pipedrive has no batches; nobody counts the calls here.
Pipedrive.rate = Rate(per_s=40, burst=40)
