from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ("contacts", "0011_retention"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='contact',
            index=models.Index(condition=models.Q(('erased_at__isnull', True), ('merged_into__isnull', True)), fields=['region', 'country', 'timezone'], name='contact_place'),
        ),
    ]
