from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ('bookings', '0004_merges'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='attendance',
            index=models.Index(condition=models.Q(('merged_from__isnull', False)), fields=['merged_from'], name='attendance_merged_from'),
        ),
    ]
