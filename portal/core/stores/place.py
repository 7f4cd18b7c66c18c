"""Where the bytes lie, by the environment: in the home's own folder, or in a bucket that several homes share."""

from typing import Any

from django.core.exceptions import ImproperlyConfigured

from portal.kit import env


def bucket() -> dict[str, Any] | None:
    """The S3-compatible bucket that the environment names, as a Django storage; None for the home's own folder.

    ImproperlyConfigured for what is half set.
    """
    name, endpoint = env.text("GRISTMILL_S3_BUCKET"), env.text("GRISTMILL_S3_ENDPOINT")
    key, secret = env.secret("GRISTMILL_S3_ACCESS_KEY"), env.secret("GRISTMILL_S3_SECRET_KEY")
    region, prefix = env.text("GRISTMILL_S3_REGION"), env.text("GRISTMILL_S3_PREFIX")
    if not name and any((endpoint, key, secret, region, prefix)):
        raise ImproperlyConfigured(
            "GRISTMILL_S3_… is set but no GRISTMILL_S3_BUCKET. Name the bucket, or unset all."
        )
    if bool(key) != bool(secret):
        missing = "GRISTMILL_S3_SECRET_KEY" if key else "GRISTMILL_S3_ACCESS_KEY"
        raise ImproperlyConfigured(f"{missing} is missing: the two keys go together.")
    if endpoint and not endpoint.startswith(("https://", "http://")):
        raise ImproperlyConfigured("GRISTMILL_S3_ENDPOINT must begin with https:// (or http://).")
    options = {
        "bucket_name": name,
        "endpoint_url": endpoint or None,
        "region_name": region or "us-east-1",
        "location": prefix.strip("/"),
        "access_key": key or None,  # without keys: where Amazon's own tools find theirs
        "secret_key": secret or None,
        "addressing_style": "path" if endpoint else "auto",
    }
    return {"BACKEND": "portal.core.stores.bucket.Bucket", "OPTIONS": options} if name else None
