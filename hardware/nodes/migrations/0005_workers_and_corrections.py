from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('nodes', '0004_donations'),
    ]

    operations = [
        migrations.AddField(
            model_name='node',
            name='worker',
            field=models.CharField(blank=True, default='', editable=False, max_length=120),
        ),
        migrations.AddField(
            model_name='accelerator',
            name='corrected',
            field=models.JSONField(blank=True, default=list, editable=False, verbose_name='corrected by a steward'),
        ),
    ]
