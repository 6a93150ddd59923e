import django.db.models.deletion
import uuid_utils.compat
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('contacts', '0008_imports'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Erasure',
            fields=[
                ('id', models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False)),
                ('made_at', models.DateTimeField(auto_now_add=True)),
                ('counts', models.JSONField(default=dict)),
                ('elsewhere', models.JSONField(default=list)),
                ('contact', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='erasures', to='contacts.contact')),
                ('user', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['-id'],
                'permissions': [('erase_contact', 'Can erase a person for good'), ('access_contact_data', 'Can export all that is held about a person')],
            },
        ),
    ]
