"""The image builds and is what it says: one user without rights, no compiler, the engine inside.

Needs the Debian packages buildah and mmdebstrap. No image registry is asked: the base is a plain
Debian with Python, made here once and kept in .venv/cache.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = [pytest.mark.system, pytest.mark.long, pytest.mark.timeout(1200)]

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".venv" / "cache"
SUITE = "bookworm"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
BASE_FILE = "FROM scratch\nADD base.tar /\nENV PATH=/usr/sbin:/usr/bin:/sbin:/bin\n"


def run(*command: str, cwd: Path = ROOT) -> str:
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=1000, check=False
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def base() -> str:
    for name in ("buildah", "mmdebstrap"):
        assert shutil.which(name), f"install the Debian package {name}"
    archive = CACHE / f"{SUITE}.tar"
    if not archive.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        unfinished = archive.with_suffix(".unfinished")
        packages = "python3,python3-venv,ca-certificates"
        mirror = os.environ.get("DEBIAN_MIRROR")
        run(
            *("mmdebstrap", "--quiet", "--variant=minbase", "--format=tar"),
            *(f"--include={packages}", SUITE, str(unfinished), *([mirror] if mirror else [])),
        )
        unfinished.rename(archive)
    folder = CACHE / "base"
    folder.mkdir(exist_ok=True)
    (folder / "Containerfile").write_text(BASE_FILE)
    (folder / "base.tar").unlink(missing_ok=True)
    (folder / "base.tar").hardlink_to(archive)
    return build("augenblick-test-base", folder / "Containerfile", folder)


def build(name: str, file: Path, context: Path, *options: str) -> str:
    tag = f"localhost/{name}"
    run(
        *("buildah", "build", "--isolation", "chroot", "--quiet", *options),
        *("--file", str(file), "--tag", tag, str(context)),
    )
    return tag


@pytest.fixture(scope="module")
def container(base: str):
    certificates = (
        *("--volume", f"{CERTIFICATES}:{CERTIFICATES}:ro"),
        *("--env", f"PIP_CERT={CERTIFICATES}"),
    )
    ignore = ROOT / "docker" / "Dockerfile.dockerignore"
    options = ("--build-arg", f"BASE={base}", "--ignorefile", str(ignore), *certificates)
    tag = build("augenblick-test", ROOT / "docker" / "Dockerfile", ROOT, *options)
    name = run("buildah", "from", tag).strip()
    yield name
    run("buildah", "rm", name)


def inside(container: str, *command: str) -> str:
    return run("buildah", "run", "--isolation", "chroot", container, "--", *command)


def test_the_user_has_no_rights(container):
    assert inside(container, "id", "-u").strip() == "10001"
    inside(container, "test", "-w", "/data")
    assert inside(container, "sh", "-c", "test -w /opt/augenblick || echo no").strip() == "no"


@pytest.mark.parametrize("name", ["gcc", "cc", "g++", "make"])
def test_no_compiler(container, name):
    assert inside(container, "sh", "-c", f"command -v {name} || echo none").strip() == "none"


def test_the_engine_runs(container):
    out = inside(container, "augenblick", "simulate", "example:otto")
    assert '"kind":"firing"' in out.replace(" ", "")
