"""The store of checkpoints, results and states: a folder that all workers share, or a bucket."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlparse

Json = Any


@dataclass(frozen=True)
class CheckpointRef:
    """Names a checkpoint by its content."""

    sha256: str
    bytes: int

    def to_json(self) -> dict[str, Json]:
        return {"sha256": self.sha256, "bytes": self.bytes}

    @staticmethod
    def of(value: Mapping[str, Json]) -> "CheckpointRef":
        return CheckpointRef(str(value["sha256"]), int(value["bytes"]))

    @property
    def name(self) -> str:
        return f"{self.sha256[:2]}/{self.sha256}.safetensors"


class InputLost(Exception):
    """A checkpoint is missing or damaged; the coordinator has it computed again."""


class Blobs(Protocol):
    """Named contents. One exists completely or not at all."""

    def read(self, name: str) -> bytes | None: ...

    def write(self, name: str, content: bytes) -> None: ...

    def delete(self, name: str) -> None: ...


class FolderBlobs:
    """Files of a folder, written aside and renamed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, name: str) -> bytes | None:
        try:
            return (self._folder / name).read_bytes()
        except FileNotFoundError:
            return None

    def write(self, name: str, content: bytes) -> None:
        target = self._folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, aside = tempfile.mkstemp(dir=target.parent, prefix=".", suffix=".tmp")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(aside, 0o644)
            os.replace(aside, target)
        except BaseException:
            Path(aside).unlink(missing_ok=True)
            raise

    def delete(self, name: str) -> None:
        (self._folder / name).unlink(missing_ok=True)


class StoreUnknown(Exception):
    """The name of a store names none that can be used."""


class StoreAway(Exception):
    """The store does not answer, or refuses; it was asked several times."""


class StoreRefused(StoreAway):
    """The store refuses this worker: its credentials, region or address are at fault, and another worker may have others."""


class BucketBlobs:
    """Objects of an S3 bucket. Credentials and region come from the environment, as for every S3 client; `AWS_ENDPOINT_URL_S3` or `AWS_ENDPOINT_URL` names another server."""

    def __init__(self, bucket: str, prefix: str) -> None:
        try:
            import boto3
            import botocore.config
            import botocore.exceptions
        except ImportError as error:
            raise StoreUnknown("a store in a bucket needs boto3 (Debian: apt-get install python3-boto3)") from error

        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""
        self._faults = (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError)
        self._without_credentials = (
            botocore.exceptions.NoCredentialsError, botocore.exceptions.PartialCredentialsError, botocore.exceptions.ProfileNotFound, botocore.exceptions.CredentialRetrievalError)
        # boto3 knows these names from 1.28 on. Another server seldom has a host name for each bucket.
        endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or None
        self._client = boto3.client("s3", endpoint_url=endpoint, region_name=os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1", config=botocore.config.Config(
            connect_timeout=10, read_timeout=60, retries={"mode": "standard", "max_attempts": 8}, s3={"addressing_style": "path"} if endpoint else {}))

    def read(self, name: str) -> bytes | None:
        try:
            return bytes(self._client.get_object(Bucket=self._bucket, Key=self._prefix + name)["Body"].read())
        except self._client.exceptions.NoSuchKey:
            return None
        except self._faults as error:
            raise self._away("read", name, error) from error

    def write(self, name: str, content: bytes) -> None:
        try:
            self._client.put_object(Bucket=self._bucket, Key=self._prefix + name, Body=content)
        except self._faults as error:
            raise self._away("written", name, error) from error

    def delete(self, name: str) -> None:
        try:
            self._client.delete_object(Bucket=self._bucket, Key=self._prefix + name)
        except self._faults as error:
            raise self._away("deleted", name, error) from error

    def _away(self, deed: str, name: str, error: Exception) -> StoreAway:
        place = f"s3://{self._bucket}/{self._prefix}{name}"
        if isinstance(error, self._without_credentials):
            return StoreRefused(f"there are no credentials for {place}: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile with AWS_PROFILE ({error})")
        status = getattr(error, "response", {}).get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if 400 <= status < 500:
            return StoreRefused(f"{place} cannot be {deed} with this worker's settings: {error}; check its AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT_URL_S3 and LATHE_STORE")
        return StoreAway(f"{place} cannot be {deed}: {error}")


def blobs_of(store: str) -> Blobs:
    """Opens what `LATHE_STORE` names: a folder, or `s3://bucket/prefix`."""
    if store.startswith("s3://"):
        address = urlparse(store)
        if not address.netloc:
            raise StoreUnknown(f"LATHE_STORE is '{store}', which names no bucket; expected s3://bucket/prefix")
        try:
            return BucketBlobs(address.netloc, address.path.strip("/"))
        except ValueError as error:
            raise StoreUnknown(f"the bucket's server cannot be used: {error}; expected AWS_ENDPOINT_URL_S3 as http://host:port or https://host") from error
    if "://" in store or Path(store).is_file():
        raise StoreUnknown(f"LATHE_STORE is '{store}'; expected a folder, or s3://bucket/prefix")
    return FolderBlobs(Path(store))


class Store:
    """Checkpoints by digest, results and training states by execution key."""

    def __init__(self, blobs: Blobs, cache: Path) -> None:
        self._blobs = blobs
        self._cache = cache

    def path_of(self, checkpoint: CheckpointRef) -> Path:
        """A verified local copy of a checkpoint."""
        content = self._blobs.read(checkpoint.name)
        if content is None:
            raise InputLost(f"checkpoint {checkpoint.sha256} is not in the store; whoever made it must have used the same store (LATHE_STORE)")
        found = hashlib.sha256(content).hexdigest()
        if found != checkpoint.sha256 or len(content) != checkpoint.bytes:
            raise InputLost(f"checkpoint {checkpoint.sha256} is damaged: found SHA-256 {found} of {len(content)} bytes, expected {checkpoint.bytes}")
        copy = FolderBlobs(self._cache)
        copy.write(checkpoint.name, content)
        return self._cache / checkpoint.name

    def has(self, checkpoint: CheckpointRef) -> bool:
        """Whether a checkpoint is there and undamaged."""
        content = self._blobs.read(checkpoint.name)
        return content is not None and hashlib.sha256(content).hexdigest() == checkpoint.sha256

    def write_checkpoint(self, content: bytes) -> CheckpointRef:
        reference = CheckpointRef(hashlib.sha256(content).hexdigest(), len(content))
        self._blobs.write(reference.name, content)
        return reference

    def find_result(self, key: str) -> dict[str, Json] | None:
        """The result under a key; None where there is none that can be read."""
        content = self._blobs.read(f"results/{key}.json")
        try:
            result = json.loads(content) if content is not None else None
        except ValueError:
            return None
        return result if isinstance(result, dict) and result.get("key") == key and result.get("output") else None

    def commit_result(self, result: Mapping[str, Json]) -> None:
        self._blobs.write(f"results/{result['key']}.json", json.dumps(result, indent=2).encode())

    def read_state(self, slot: str) -> bytes | None:
        return self._blobs.read(f"states/{slot}.state")

    def write_state(self, slot: str, state: bytes) -> None:
        self._blobs.write(f"states/{slot}.state", state)

    def drop_state(self, slot: str) -> None:
        self._blobs.delete(f"states/{slot}.state")
