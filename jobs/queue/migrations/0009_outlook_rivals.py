from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("queue", "0008_crowded_out")]

    operations = [
        migrations.AddField("outlook", "rivals", models.PositiveIntegerField(default=0)),
        migrations.AlterField("outlook", "made_at", models.DateTimeField(db_index=True)),
        migrations.AddField(
            "job",
            "macs",
            models.PositiveBigIntegerField(
                blank=True, null=True, verbose_name="multiply-accumulates of one answer"
            ),
        ),
    ]
