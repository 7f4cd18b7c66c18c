from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("queue", "0010_promise")]

    operations = [
        migrations.AddField("outlook", "free_at_once", models.PositiveIntegerField(default=0)),
        migrations.AddField("outlook", "free_bytes", models.PositiveBigIntegerField(default=0)),
    ]
