from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('queue', '0006_replay'),
    ]

    operations = [
        migrations.AddField(
            model_name='job',
            name='fit',
            field=models.JSONField(blank=True, default=dict, verbose_name='what is expected on its targets'),
        ),
    ]
