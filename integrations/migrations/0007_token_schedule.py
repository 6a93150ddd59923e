from django.db import migrations

from integrations.schedules import DJANGO_Q, add_schedule


class Migration(migrations.Migration):
    dependencies = [
        ("integrations", "0006_tokens"),
        DJANGO_Q,
    ]
    operations = [add_schedule("refresh_tokens", "integrations.jobs.refresh_tokens", minutes=1)]
