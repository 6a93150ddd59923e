"""The residency report in the shell."""

from typing import Any

from contacts.residency_report import describe, make_report
from integrations.management.base import KeepsyncCommand


class Command(KeepsyncCommand):
    help = "Say where contacts and connections are, what waits for the residency policy, and what is against it."

    def run(self, options: dict[str, Any]) -> dict[str, Any]:
        found = describe(make_report())
        self.say(f"The policy is {found['policy']}. This installation is in {found['region']}.")
        for region, count in found["contacts"].items():
            self.say(f"  {count:>10,} contacts of {region}")
        bases = ", ".join(f"{basis}: {count:,}" for basis, count in found["decided_by"].items())
        self.say(f"Decided by {bases}. Kept here against the policy: {found['kept_here_against_policy']:,}.")
        for each in found["connections"]:
            self.say(
                f"{each['slug']:24} {each['region'] or 'open to all':12} {each['effects_waiting']:,} effects wait, "
                f"{each['contacts_there']:,} contacts are there, {each['against_policy']:,} of them against the policy"
            )
        return found
