"""The product's settings with short waits, so that a test sees within seconds what else takes hours."""

from config.settings import *  # noqa: F403
from integrations import retries
from integrations.providers.salesforce import errors as salesforce

retries.SCHEDULE_S = (0.5, 1, 2, 3, 5, 5, 5)
# Salesforce's limit is that of a day, and has no Retry-After.
salesforce.USED_UP_S = 1
