"""What of the environment must be right before an installation goes live."""

import os

from django.conf import settings

from config import env
from integrations.operations.checklist import DAY, Evidence, Section, failed, passed, proves

KEYS = ("SECRET_KEY", "FIELD_ENCRYPTION_KEYS", "BLIND_INDEX_KEY")


@proves(
    "production_mode",
    Section.LAUNCH,
    "It runs in production mode",
    why="While developing, pages tell strangers how the program works, and cookies go without TLS.",
    holds=DAY,
)
def probe_mode(now: object) -> Evidence:
    wrong = [name for name in ("DEBUG", "ALLOW_PRIVATE_PROVIDERS") if getattr(settings, name)]
    if wrong:
        advice = "Set them to 0, and restart. Then every secret must be given."
        return failed(f"{' and '.join(wrong)} {'are' if len(wrong) > 1 else 'is'} on.", advice=advice)
    return passed("DEBUG is off, and connections lead to no private address.")


@proves(
    "keys",
    Section.LAUNCH,
    "Keys come from the environment",
    why="The keys of a developer's checkout lie on his disk, and are nobody's secret.",
    holds=DAY,
)
def probe_keys(now: object) -> Evidence:
    if unset := [name for name in KEYS if not env.read_str(name, "")]:
        advice = "Give each in the environment: manage.py generate_key prints one."
        return failed(f"Not given in the environment: {', '.join(unset)}.", advice=advice)
    if known := [name for name in KEYS if env.read_development_secret(name) == os.environ[name].strip()]:
        return failed(f"The same as while developing: {', '.join(known)}.", advice="Make new ones, and rotate the old.")
    return passed(f"{', '.join(KEYS)} are given, and none is the one of development.")
