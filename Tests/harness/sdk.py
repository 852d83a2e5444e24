"""boto3 as functions have it: in a layer, with the models of the services that Martlet speaks."""

import io
import pathlib
import zipfile

SERVICES = ("lambda", "sqs", "events")
PACKAGES = ("boto3", "botocore", "dateutil", "jmespath", "s3transfer", "urllib3")
DATA = ("endpoints.json", "partitions.json", "sdk-default-configuration.json", "_retry.json")


def layer_archive():
    import botocore
    site = pathlib.Path(botocore.__file__).resolve().parents[1]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for path in [site / "six.py", *(p for name in PACKAGES for p in sorted((site / name).rglob("*")))]:
            if path.is_file() and "__pycache__" not in path.parts and is_wanted(path.relative_to(site).parts):
                archive.write(path, pathlib.Path("python") / path.relative_to(site))
    return buffer.getvalue()


def is_wanted(parts):
    if parts[:2] != ("botocore", "data"):
        return True
    return parts[2] in DATA or parts[2] in SERVICES and not parts[-1].startswith("examples")


def publish(client):
    """The ARN of the layer's version, made with a Lambda client."""
    return client.publish_layer_version(LayerName="sdk", Content={"ZipFile": layer_archive()})["LayerVersionArn"]
