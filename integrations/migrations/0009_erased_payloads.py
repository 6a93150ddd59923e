from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('integrations', '0008_alerts'),
    ]

    operations = [
        migrations.AddField(
            model_name='delivery',
            name='erased_at',
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name='delivery',
            name='erasing_since',
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
    ]
