from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ('bookings', '0006_reservations'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='meeting',
            index=models.Index(condition=models.Q(('caller_id', ''), _negated=True), fields=['caller_id'], name='meeting_caller_id'),
        ),
    ]
