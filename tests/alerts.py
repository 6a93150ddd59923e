"""Alerts, as a check that finds something opens or updates them."""

from integrations.models import Alert
from integrations.operations.alerts import open_alert, touch, update
from integrations.operations.rules import Finding


def see(kind: str, finding: Finding) -> None:
    about = {"kind": kind, "connection": finding.connection, "about": finding.about}
    if alert := Alert.objects.filter(**about, closed_at=None).first():
        update(alert, finding)
        touch([alert.pk])
    else:
        open_alert(kind, finding)
