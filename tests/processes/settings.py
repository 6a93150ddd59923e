"""The product's settings with short times, so that a test sees the recovery from a killed process within seconds.

The order of the three times is the product's own: see integrations/checks.py.
"""

from config.settings import *  # noqa: F403
from config.settings import Q_CLUSTER as PRODUCT_CLUSTER

JOB_TIMEOUT_S = 9
DELIVERY_LEASE_S = 10
Q_CLUSTER = {**PRODUCT_CLUSTER, "workers": 4, "timeout": JOB_TIMEOUT_S, "retry": 11}
