"""Build the native modules: everything else about the package is in pyproject.toml.

One switch, the environment variable AUGENBLICK_BUILD:
  release (default)  no checks, -O3
  debug              every check, -O1, births and deaths counted (AUGENBLICK_DEBUG is defined);
                     sanitizers come in through CFLAGS and LDFLAGS
  trace              debug with line tracing, for coverage
C files go to build/, one folder a mode; compiled modules beside their sources (`make build`).
"""

import os
import sys
from pathlib import Path

from setuptools import Extension, setup

MODE = os.environ.get("AUGENBLICK_BUILD", "release")
SOURCES = "native/augenblick_native/**/*.pyx"
COMPILE_ARGS = {
    "release": ["-O3"],
    "debug": ["-O1", "-g", "-fno-omit-frame-pointer"],
    "trace": ["-O0", "-g"],
}
MACROS = {
    "release": [],
    "debug": [("AUGENBLICK_DEBUG", "1")],
    "trace": [("AUGENBLICK_DEBUG", "1"), ("CYTHON_TRACE_NOGIL", "1")],
}
CHECKED = MODE != "release"
DIRECTIVES = {
    "language_level": 3,
    "binding": True,
    "embedsignature": True,
    "cdivision": True,  # C semantics in every mode, else debug would compute other results
    "wraparound": False,
    "boundscheck": CHECKED,
    "initializedcheck": CHECKED,
    "nonecheck": CHECKED,
    "overflowcheck": False,
    "linetrace": MODE == "trace",
}


def settings_changed() -> bool:
    """Note the settings of this build; true if the last build in this tree had others."""
    stamp = Path("build") / "native-settings"
    settings = repr((sys.version_info[:2], MODE, COMPILE_ARGS[MODE], MACROS[MODE], DIRECTIVES))
    changed = not stamp.exists() or stamp.read_text() != settings
    stamp.parent.mkdir(exist_ok=True)
    stamp.write_text(settings)
    return changed


def extensions() -> list[Extension]:
    """The modules that match SOURCES, translated to C where a source is newer."""
    if not any(Path().glob(SOURCES)):
        return []
    import numpy
    from Cython.Build import cythonize
    from Cython.Compiler import Options

    Options.warning_errors = True
    everything = Extension(
        "*",
        [SOURCES],
        include_dirs=[numpy.get_include(), "native/augenblick_native"],
        define_macros=[("NPY_NO_DEPRECATED_API", "NPY_2_0_API_VERSION"), *MACROS[MODE]],
        extra_compile_args=["-std=c11", "-Wall", "-Wno-unused-function", *COMPILE_ARGS[MODE]],
    )
    return cythonize(
        [everything],
        build_dir=f"build/cython-{MODE}",
        compiler_directives=DIRECTIVES,
        include_path=["native"],
        force=settings_changed(),
        nthreads=os.cpu_count() or 1,
    )


if __name__ == "__main__":
    if MODE not in COMPILE_ARGS:
        sys.exit(f"AUGENBLICK_BUILD is {MODE!r}; it can be {', '.join(COMPILE_ARGS)}")
    setup(ext_modules=extensions())
