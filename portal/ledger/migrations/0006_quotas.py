from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('ledger', '0005_adjustments'),
    ]

    operations = [
        migrations.AlterField(
            model_name='quota',
            name='storage_bytes',
            field=models.PositiveBigIntegerField(default=20000000000, verbose_name='storage in bytes'),
        ),
        migrations.AddField(
            model_name='ledgerentry',
            name='began_at',
            field=models.DateTimeField(blank=True, null=True, verbose_name='began'),
        ),
    ]
