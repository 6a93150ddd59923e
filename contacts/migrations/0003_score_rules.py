from django.db import migrations

# What a new installation scores; an operator changes it in the admin.
RULES = [
    ("answer", "team_size", ["51-200"], 30),
    ("answer", "team_size", ["201-1000"], 45),
    ("answer", "team_size", ["1000+"], 60),
    ("answer", "timeline", ["now", "this week", "this month"], 40),
    ("company_address", "", [], 10),
]


def add_rules(apps, schema_editor):
    ScoreRule = apps.get_model("contacts", "ScoreRule")
    for kind, key, values, points in RULES:
        ScoreRule.objects.create(kind=kind, answer_key=key, values=values, points=points)


class Migration(migrations.Migration):
    dependencies = [("contacts", "0002_crm_and_flows")]
    operations = [migrations.RunPython(add_rules, migrations.RunPython.noop)]
