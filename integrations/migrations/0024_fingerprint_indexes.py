from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ("integrations", "0023_retention_indexes"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='delivery',
            index=models.Index(condition=models.Q(('fingerprint', ''), _negated=True), fields=['fingerprint', 'id'], name='delivery_fingerprint'),
        ),
        AddIndexConcurrently(
            model_name='effect',
            index=models.Index(condition=models.Q(('fingerprint', ''), _negated=True), fields=['fingerprint', 'id'], name='effect_fingerprint'),
        ),
    ]
