"""An object store in S3 or a compatible service."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from pipelines.core.errors import IntegrityError, SpecError, Unavailable
from pipelines.core.files import disk_full_as_error
from pipelines.core.patience import attempt_s
from pipelines.data.objects import StoredObject

_GONE = {"NoSuchKey", "NoSuchVersion", "404", "PreconditionFailed", "412", "MethodNotAllowed"}
_EXISTS = {"PreconditionFailed", "412", "ConditionalRequestConflict", "409"}

_ATTEMPTS, _PAUSES_S = 3, 3.0  # of at most 1 and 2 seconds


class S3Store:
    """Objects below ``s3://bucket/prefix``, pinned by ETag and, in a versioned bucket, version id.

    boto3 reads credentials, region and ``AWS_ENDPOINT_URL`` from its usual sources. A profile from
    the AWS configuration files takes precedence over the environment.

    Arguments:
        address: bucket and prefix.
        profile: name of a profile in the AWS configuration files.
        timeout_s: longest wait for a connection, and for the next bytes of an answer; default: all
            attempts end within ``patience.ANSWER_S``.
    """

    def __init__(
        self, address: str, *, profile: str | None = None, timeout_s: float | None = None
    ) -> None:
        bucket, _, prefix = address.removeprefix("s3://").partition("/")
        if not address.startswith("s3://") or not bucket:
            raise SpecError(
                "cannot read an S3 address", got=address, wanted="s3://bucket or s3://bucket/prefix"
            )
        self._opened = partial(S3Store, address, profile=profile, timeout_s=timeout_s)
        self.bucket, self.prefix = bucket, f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        longest = timeout_s or attempt_s(_ATTEMPTS, _PAUSES_S)
        config = Config(
            connect_timeout=longest,
            read_timeout=longest,
            retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
        )
        with self._answers(""):
            self.client: Any = boto3.Session(profile_name=profile).client("s3", config=config)
        self._versioned: bool | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """As it was made: a client has connections and credentials of its own process."""
        return self._opened, ()

    @property
    def address(self) -> str:
        """Bucket and prefix."""
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """See ``ObjectStore.list``."""
        with self._answers(prefix):
            versioned = self._keeps_versions()
            method = "list_object_versions" if versioned else "list_objects_v2"
            pages = self.client.get_paginator(method).paginate(
                Bucket=self.bucket, Prefix=self.prefix + prefix
            )
            for page in pages:
                for entry in page.get("Versions" if versioned else "Contents", ()):
                    if entry.get("IsLatest", True):
                        yield StoredObject(
                            key=entry["Key"][len(self.prefix) :],
                            size=entry["Size"],
                            etag=entry["ETag"].strip('"'),
                            version_id=entry.get("VersionId"),
                        )

    def read(self, stored: StoredObject, to: Path) -> None:
        """See ``ObjectStore.read``."""
        pinned = {"VersionId": stored.version_id} if stored.version_id else {}
        with self._answers(stored.key):
            try:
                answer = self.client.get_object(
                    Bucket=self.bucket,
                    Key=self.prefix + stored.key,
                    IfMatch=f'"{stored.etag}"',
                    **pinned,
                )
            except ClientError as cause:
                if cause.response["Error"]["Code"] in _GONE:
                    raise IntegrityError(
                        "an object was replaced or deleted between listing and reading",
                        where=f"{self.address}/{stored.key}",
                        wanted=f"ETag {stored.etag}, version {stored.version_id or 'not kept'}",
                        hint="run again once nothing writes to it any more",
                    ) from cause
                raise
            with disk_full_as_error(to), to.open("wb") as file:
                shutil.copyfileobj(answer["Body"], file, 1 << 20)

    def delete(self, stored: StoredObject) -> None:
        """See ``ObjectStore.delete``."""
        with self._answers(stored.key):
            self.client.delete_object(Bucket=self.bucket, Key=self.prefix + stored.key)

    def write(self, key: str, content: Path | bytes, *, if_absent: bool = True) -> StoredObject:
        """See ``ObjectStore.write``."""
        place = {"Bucket": self.bucket, "Key": self.prefix + key}
        condition = {"IfNoneMatch": "*"} if if_absent else {}
        with self._answers(key):
            try:
                if isinstance(content, bytes):
                    self.client.put_object(**place, Body=content, **condition)
                else:
                    with content.open("rb") as body:
                        self.client.put_object(**place, Body=body, **condition)
            except ClientError as cause:
                if not (if_absent and cause.response["Error"]["Code"] in _EXISTS):
                    raise
            facts = self.client.head_object(**place)
        return StoredObject(
            key=key,
            size=facts["ContentLength"],
            etag=facts["ETag"].strip('"'),
            version_id=facts.get("VersionId"),
        )

    def _keeps_versions(self) -> bool:
        if self._versioned is None:
            try:
                answer = self.client.get_bucket_versioning(Bucket=self.bucket)
            except ClientError as cause:
                if cause.response["Error"]["Code"] not in {"AccessDenied", "NotImplemented"}:
                    raise
                answer = {}
            self._versioned = answer.get("Status") == "Enabled"
        return self._versioned

    @contextmanager
    def _answers(self, key: str) -> Iterator[None]:
        try:
            yield
        except ClientError as cause:
            self._fail(key, cause, "look at the bucket's name and at what the credentials allow")
        except (BotoCoreError, ConnectionError) as cause:
            self._fail(key, cause, "run again when it answers: nothing half-written was kept")

    def _fail(self, key: str, cause: Exception, hint: str) -> NoReturn:
        endpoint = getattr(getattr(self, "client", None), "meta", None)
        raise Unavailable(
            "the object store did not do what was asked",
            where=f"{self.address}/{key}"
            + (f" at {endpoint.endpoint_url}" if endpoint is not None else ""),
            got=f"{type(cause).__name__}: {cause}",
            hint=hint,
        ) from cause
