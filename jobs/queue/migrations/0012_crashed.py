from django.db import migrations, models

REASONS = [('done', 'It finished.'), ('cancelled', 'It was cancelled.'), ('preempted', 'It gave way to another job and goes on where it stopped.'), ('node_lost', 'The node it ran on was lost. It goes on from its last checkpoint.'), ('drained', 'Its node was taken out of service. It goes on elsewhere from where it stopped.'), ('out_of_memory', 'It needed more memory than there was. A smaller batch size, width or picture size helps.'), ('over_memory_limit', 'It passed its memory limit. Ask for more memory, or choose a smaller batch size or picture size.'), ('crowded_out', 'The memory of its node was full, though it kept to its limit. It goes on from its last checkpoint.'), ('over_time_limit', 'It passed its time limit. Ask for more minutes or choose fewer epochs.'), ('nan_loss', 'The loss became infinite or not a number. A lower learning rate helps most often.'), ('bad_data', 'The data could not be used for this recipe.'), ('disk_full', 'The disk of the node was full. The stewards have to make room; then try again.'), ('crashed', "The job's program stopped unexpectedly."), ('hung', 'It made no progress for too long and was ended.'), ('lost_too_often', 'Its node was lost again and again while it ran, so it is not tried any more.'), ('platform_error', 'The platform made an error. It is not your fault, and no time is charged.'), ('refused', 'It cannot run on its target.')]


class Migration(migrations.Migration):

    dependencies = [
        ('queue', '0011_outlook_free'),
    ]

    operations = [
        migrations.AlterField(
            model_name='attempt',
            name='end_reason',
            field=models.CharField(blank=True, choices=REASONS, default='', max_length=20),
        ),
        migrations.AlterField(
            model_name='job',
            name='end_reason',
            field=models.CharField(blank=True, choices=REASONS, default='', max_length=20, verbose_name='end reason'),
        ),
    ]
