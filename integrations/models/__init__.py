"""The plumbing's tables: connections, deliveries and effects with their attempts, and what is mapped to what."""

from integrations.models.alerts import Alert, AlertEntry, AlertRule
from integrations.models.attempts import Attempt
from integrations.models.certificates import Certificate
from integrations.models.change_counts import ChangeCount
from integrations.models.checklist import ChecklistItem, CheckResult, CheckSignature
from integrations.models.connections import Connection, WebhookSecret
from integrations.models.deliveries import Delivery, RejectionCount
from integrations.models.effects import Drain, Effect
from integrations.models.first_steps import FirstStep
from integrations.models.heartbeats import Heartbeat
from integrations.models.hourly_counts import CountedHour, HourlyCount
from integrations.models.mappings import FieldMapping, OwnerMapping, Pair
from integrations.models.ownership import FieldRule, FieldWrite
from integrations.models.payload_shapes import PayloadShape
from integrations.models.polls import Poll
from integrations.models.provenance import History, RecordedChange
from integrations.models.refusals import RefusalCount
from integrations.models.replay_plans import ReplayItem, ReplayPlan, Verdict
from integrations.models.residency import Region, RegionRule
from integrations.models.retention import PurgeRun, RetentionTime
from integrations.models.runbook import RunbookTask, SignOff
from integrations.models.second_factors import RecoveryCode, SecondFactor
from integrations.models.sign_ins import SignInCount
from integrations.models.tokens import Authorisation, Token

__all__ = [
    "Alert",
    "AlertEntry",
    "AlertRule",
    "Attempt",
    "Authorisation",
    "Certificate",
    "ChangeCount",
    "CheckResult",
    "CheckSignature",
    "ChecklistItem",
    "Connection",
    "CountedHour",
    "Delivery",
    "Drain",
    "Effect",
    "FieldMapping",
    "FieldRule",
    "FieldWrite",
    "FirstStep",
    "Heartbeat",
    "History",
    "HourlyCount",
    "OwnerMapping",
    "Pair",
    "PayloadShape",
    "Poll",
    "PurgeRun",
    "RecordedChange",
    "RecoveryCode",
    "RefusalCount",
    "Region",
    "RegionRule",
    "RejectionCount",
    "ReplayItem",
    "ReplayPlan",
    "RetentionTime",
    "RunbookTask",
    "SecondFactor",
    "SignInCount",
    "SignOff",
    "Token",
    "Verdict",
    "WebhookSecret",
]
