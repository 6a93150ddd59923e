from django.db import migrations

# Ciphertext does not compress, and a body of a few kilobytes is cheaper to keep in its row than beside it.
FORWARD = """
ALTER TABLE integrations_delivery ALTER COLUMN body SET STORAGE EXTERNAL, ALTER COLUMN headers SET STORAGE EXTERNAL;
ALTER TABLE integrations_delivery SET (toast_tuple_target = 8160);
"""
BACKWARD = """
ALTER TABLE integrations_delivery ALTER COLUMN body SET STORAGE EXTENDED, ALTER COLUMN headers SET STORAGE EXTENDED;
ALTER TABLE integrations_delivery RESET (toast_tuple_target);
"""


class Migration(migrations.Migration):
    dependencies = [("integrations", "0002_schedules")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
