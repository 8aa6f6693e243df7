"""Build the native modules: everything else about the package is in pyproject.toml.

One switch, the environment variable AUGENBLICK_BUILD:
  release (default)  no checks, -O3
  debug              every check, -O1, births and deaths counted (AUGENBLICK_DEBUG is defined);
                     sanitizers come in through CFLAGS and LDFLAGS
  trace              debug with line tracing, for coverage
  none               no native modules: `make setup`, which leaves them to `make build`
C files go to build/, one folder a mode; compiled modules beside their sources (`make build`).
"""

import os
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

MODE = os.environ.get("AUGENBLICK_BUILD", "release")
SOURCES = "native/augenblick_native/**/*.pyx"
COMPILE_ARGS = {
    "release": ["-O3"],
    "debug": ["-O1", "-g", "-fno-omit-frame-pointer"],
    "trace": ["-O0", "-g"],
}
# What Cython itself writes compares signs and leaves functions unused.
WARNINGS = ["-std=c11", "-Wall", "-Wno-sign-compare", "-Wno-unused-function"]
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
    """The native modules, as their Cython sources: all that a source distribution needs."""
    return [
        Extension(
            ".".join(path.with_suffix("").parts[1:]),
            [str(path)],
            include_dirs=["native/augenblick_native"],
            define_macros=[("NPY_NO_DEPRECATED_API", "NPY_2_0_API_VERSION"), *MACROS[MODE]],
            extra_compile_args=[*WARNINGS, *COMPILE_ARGS[MODE]],
        )
        for path in sorted(Path().glob(SOURCES))
    ]


class BuildNative(build_ext):
    """Translate what changed to C, then compile what changed."""

    def build_extensions(self) -> None:
        import numpy
        from Cython.Build import cythonize
        from Cython.Compiler import Options

        Options.warning_errors = True
        self.force = self.force or settings_changed()
        self.parallel = self.parallel or os.cpu_count()
        translated = cythonize(
            self.extensions,
            build_dir=f"build/cython-{MODE}",
            compiler_directives=DIRECTIVES,
            include_path=["native"],
            force=self.force,
            nthreads=os.cpu_count() or 1,
            quiet=self.verbose == 0,
        )
        for extension, in_c in zip(self.extensions, translated, strict=True):
            extension.sources = in_c.sources
            extension.include_dirs.append(numpy.get_include())
        super().build_extensions()


if __name__ == "__main__":
    if MODE not in (*COMPILE_ARGS, "none"):
        sys.exit(f"AUGENBLICK_BUILD is {MODE!r}; it can be {', '.join(COMPILE_ARGS)}, none")
    modules = [] if MODE == "none" else extensions()
    setup(ext_modules=modules, cmdclass={"build_ext": BuildNative})
