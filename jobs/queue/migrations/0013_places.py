from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("queue", "0012_crashed")]

    operations = [
        migrations.AlterField(
            "job",
            "accelerator",
            models.CharField(default="any", max_length=40, verbose_name="accelerator asked for"),
        ),
    ]
