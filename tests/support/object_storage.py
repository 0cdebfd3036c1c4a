"""A store on loopback that speaks S3, in a process of its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3  # type: ignore[import-untyped]
import httpx

from dagster_project.sources import ObjectStore

_ALL_OF_S3 = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}],
    }
)


class Storage:
    """A running store; `store` is how the product is told of it."""

    def __init__(self, address: str) -> None:
        self.address = address
        users = self._of("iam", "nobody", "nothing")
        users.create_user(UserName="shop")
        users.put_user_policy(UserName="shop", PolicyName="s3", PolicyDocument=_ALL_OF_S3)
        key = users.create_access_key(UserName="shop")["AccessKey"]
        self.store = ObjectStore(
            key["AccessKeyId"], key["SecretAccessKey"], region="us-east-1", endpoint=address
        )
        self._client = self._of("s3", key["AccessKeyId"], key["SecretAccessKey"])
        # From now on it checks who asks, and the signature.
        users.close()
        httpx.post(f"{address}/moto-api/reset-auth", content="0").raise_for_status()

    def _of(self, service: str, key_id: str, secret: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.address,
            aws_access_key_id=key_id,
            aws_secret_access_key=secret,
            region_name="us-east-1",
        )

    def close(self) -> None:
        """Let go of the connections to the store."""
        self._client.close()

    def bucket(self, name: str) -> str:
        """Make an empty bucket."""
        self._client.create_bucket(Bucket=name)
        return name

    def put(self, bucket: str, key: str, content: bytes) -> None:
        """Store one object."""
        self._client.put_object(Bucket=bucket, Key=key, Body=content)

    def put_folder(self, bucket: str, prefix: str, folder: Path) -> None:
        """Store every file below a folder."""
        for file in folder.rglob("*"):
            if file.is_file():
                key = f"{prefix}{file.relative_to(folder).as_posix()}"
                self.put(bucket, key, file.read_bytes())


@contextmanager
def running(folder: Path) -> Iterator[Storage]:
    """A store that lives as long as the block; its log is in `folder`."""
    log = folder / "storage.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
    try:
        storage = Storage(_address(process, log))
        yield storage
        storage.close()
    finally:
        process.terminate()
        process.wait(timeout=30)


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        found = re.search(r"Running on (http://127\.0\.0\.1:\d+)", log.read_text())
        if found:
            return found[1]
        time.sleep(0.05)
    raise AssertionError(log.read_text())
