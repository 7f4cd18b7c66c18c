from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('bundles', '0003_brought_models'),
    ]

    operations = [
        migrations.AddField(
            model_name='trainedmodel',
            name='receipt',
            field=models.JSONField(blank=True, default=dict, verbose_name='receipt'),
        ),
    ]
