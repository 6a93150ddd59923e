from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ('bookings', '0002_crm_and_flows'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='meeting',
            index=models.Index(condition=models.Q(('payment_session_id', ''), _negated=True), fields=['payment_session_id'], name='meeting_session'),
        ),
    ]
