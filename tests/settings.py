"""The portal's own settings, on a home folder that lasts as long as the test run."""

import atexit
import os
import shutil
import tempfile

os.environ["GRISTMILL_HOME"] = tempfile.mkdtemp(prefix="gm-")
atexit.register(shutil.rmtree, os.environ["GRISTMILL_HOME"], ignore_errors=True)

from portal.settings import *  # noqa: E402, F403 - the home has to be known first

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # the cast signs in often
WHITENOISE_AUTOREFRESH = True  # each test client would look through all static files when it starts
