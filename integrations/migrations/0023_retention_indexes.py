import django.contrib.postgres.indexes
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ("integrations", "0022_residency_and_retention"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='delivery',
            index=models.Index(condition=models.Q(('emptied_at__isnull', True), ('erased_at__isnull', True)), fields=['id'], name='delivery_held'),
        ),
        AddIndexConcurrently(
            model_name='effect',
            index=models.Index(condition=models.Q(('cause', 'residency'), ('status', 'waiting')), fields=['due_at', 'id'], name='effect_residency'),
        ),
        AddIndexConcurrently(
            model_name='fieldwrite',
            index=django.contrib.postgres.indexes.BrinIndex(fields=['created_at'], name='field_write_time'),
        ),
    ]
