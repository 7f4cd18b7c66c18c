import django.db.models.deletion
import portal.kit.ids
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('ledger', '0006_quotas'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='MonthCost',
            fields=[
                ('id', models.CharField(default=portal.kit.ids.new_id, editable=False, max_length=26, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True, verbose_name='created')),
                ('month', models.DateField(unique=True, verbose_name='first day of the month')),
                ('cents', models.PositiveBigIntegerField(verbose_name='cost in hundredths')),
                ('entered_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='entered by')),
            ],
            options={
                'abstract': False,
            },
        ),
    ]
