from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ('integrations', '0009_erased_payloads'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='delivery',
            index=models.Index(condition=models.Q(('erasing_since__isnull', False)), fields=['id'], name='delivery_erasing'),
        ),
        AddIndexConcurrently(
            model_name='delivery',
            index=models.Index(condition=models.Q(('subject', ''), ('event_type', 'batch'), _connector='OR'), fields=['id'], name='delivery_unnamed'),
        ),
    ]
