"""The Celery application. It carries wake-ups; what is to be done stands in the database."""

import os

from celery import Celery
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

app = Celery("gristmill")
app.conf.update(settings.CELERY)
app.autodiscover_tasks()
app.set_default()  # for every thread: those that serve requests would look for another broker
