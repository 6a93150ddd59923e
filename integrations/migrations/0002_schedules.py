from django.db import migrations

from integrations.schedules import DJANGO_Q, add_schedule


class Migration(migrations.Migration):
    dependencies = [
        ("integrations", "0001_initial"),
        DJANGO_Q,
    ]
    operations = [add_schedule("sweep", "integrations.jobs.sweep", minutes=1)]
