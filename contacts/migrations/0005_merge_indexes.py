from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ('contacts', '0004_merges'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='contactlink',
            index=models.Index(condition=models.Q(('merged_from__isnull', False)), fields=['merged_from'], name='contact_link_merged_from'),
        ),
        AddIndexConcurrently(
            model_name='identifier',
            index=models.Index(condition=models.Q(('merged_from__isnull', False)), fields=['merged_from'], name='identifier_merged_from'),
        ),
    ]
