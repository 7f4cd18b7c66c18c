import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("nodes", "0001_initial"), ("queue", "0009_outlook_rivals")]

    operations = [
        migrations.CreateModel(
            name="Promise",
            fields=[
                (
                    "job",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="promise",
                        serialize=False,
                        to="queue.job",
                    ),
                ),
                (
                    "accelerator",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="nodes.accelerator"
                    ),
                ),
                ("until", models.DateTimeField()),
            ],
        ),
    ]
