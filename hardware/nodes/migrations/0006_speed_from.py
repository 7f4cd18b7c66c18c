"""Who said a speed that is not the first guess was a steward: nobody else could."""

from django.db import migrations, models

GUESSED = {"cpu": 1.0, "gpu": 10.0, "tpu": 20.0, "fpga": 1.0}


def said(apps, _schema_editor):
    accelerators = apps.get_model("nodes", "Accelerator").objects
    for kind, speed in GUESSED.items():
        accelerators.filter(kind=kind).exclude(relative_speed=speed).update(speed_from="steward")


class Migration(migrations.Migration):
    dependencies = [("nodes", "0005_workers_and_corrections")]

    operations = [
        migrations.AddField(
            "accelerator",
            "speed_from",
            models.CharField(
                choices=[
                    ("guess", "a first guess by its class"),
                    ("jobs", "learnt from what jobs took"),
                    ("steward", "a steward"),
                ],
                default="guess",
                editable=False,
                max_length=7,
                verbose_name="speed is from",
            ),
        ),
        migrations.RunPython(said, migrations.RunPython.noop),
    ]
