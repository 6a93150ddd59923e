from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ("integrations", "0015_dashboard"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='delivery',
            index=models.Index(condition=models.Q(('status', 'dead')), fields=['cause'], name='delivery_dead_cause'),
        ),
        AddIndexConcurrently(
            model_name='effect',
            index=models.Index(condition=models.Q(('status__in', ['waiting', 'dead'])), fields=['status', 'cause'], name='effect_stuck'),
        ),
    ]
