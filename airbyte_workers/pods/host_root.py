"""The files of an image in which programs of this host's Python run: interpreter, libraries, shell, certificates."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
import re
import shutil
import ssl
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from airbyte_workers.pods.image_content import Entry, copy, folder, link, text, tree

FORMAT = 1
"""Part of the identity: raise it when other files are to go into the base image."""
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
PREFIX = Path(sys.base_prefix)
STANDARD_LIBRARY = Path(sysconfig.get_path("stdlib"))
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
KNOWN_CERTIFICATES = (CERTIFICATES, "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
BUSYBOX = Path("/bin/busybox")
TOOLS = (
    *("sh", "mv", "sleep", "cat", "env", "setsid", "mkdir", "mkfifo", "ls", "rm", "cp", "chmod", "id", "tail", "head"),
    *("echo", "true", "false", "kill", "grep", "sed", "test", "touch", "ln", "readlink", "dirname", "basename"),
)
NOT_NEEDED = frozenset(
    {"test", "tests", "idlelib", "tkinter", "turtledemo", "ensurepip", "lib2to3", "site-packages", "dist-packages"}
    | {f"config-{VERSION}", f"config-{VERSION}-{sysconfig.get_config_var('MULTIARCH')}"}
)
LIBRARIES_OF_WHEELS = re.compile(
    r"lib(stdc\+\+|gcc_s|m|dl|rt|util|pthread|resolv|nsl|z|nss_dns|nss_files|anl)\.so\.\d+"
)
"""What compiled packages may expect of any Linux host, and what name look-ups load by themselves."""
ACCOUNTS = ("root:x:0:0:root:/root:/bin/sh", "airbyte:x:1000:1000::/home/airbyte:/bin/sh")
FOLDERS = (
    *(folder(name) for name in ("etc", "etc/ssl", "etc/ssl/certs", "opt", "home", "usr", "usr/bin", "var", "root")),
    *(folder(name) for name in ("dev", "proc", "sys", "run", "usr/local", "usr/local/bin")),
    *(folder(name, mode=0o1777) for name in ("tmp", "var/tmp")),
    *(folder(name, owner=1000) for name in ("home/airbyte", "local")),
)
VARIABLES = {
    "PATH": f"{PREFIX}/bin:/usr/local/bin:/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "SSL_CERT_FILE": CERTIFICATES,
    "REQUESTS_CA_BUNDLE": CERTIFICATES,
}


def existing_folders() -> frozenset[str]:
    """The folders that every image has, with owners and modes that are not to be changed by what is put below them."""
    return frozenset({each.info.name for each in FOLDERS} | set(_merged()))


def aliases(environment: Path) -> Iterator[Entry]:
    """The name by which an environment knows this Python's folder, if it is another: uv links `cpython-3.12-linux`."""
    python = environment / "bin" / "python"
    while python.is_symlink() and environment in python.parents:
        python = python.parent / python.readlink()
    prefix = python.parent.parent
    if prefix not in (PREFIX, PREFIX.resolve()) and prefix.resolve() == PREFIX.resolve():
        yield link(prefix, PREFIX)


def identity(*, pip: bool) -> str:
    """Changes when another interpreter, shell or certificate bundle would go in; asks no other program."""
    libc = os.confstr("CS_GNU_LIBC_VERSION") if "CS_GNU_LIBC_VERSION" in os.confstr_names else "musl"
    words = [FORMAT, sys.version, platform.machine(), PREFIX, STANDARD_LIBRARY, libc, pip and _pip().version]
    files = (_interpreter(), STANDARD_LIBRARY, STANDARD_LIBRARY / "lib-dynload", BUSYBOX, _certificates())
    stamps = [(str(path), path.stat().st_mtime_ns, path.stat().st_size) for path in files if path and path.exists()]
    return hashlib.sha256(repr((words, stamps)).encode()).hexdigest()


def entries(*, pip: bool) -> Iterator[Entry]:
    """Every file. Raises OSError, also when this host has no `ldd`."""
    yield from (link(name, to) for name, to in _merged().items())
    yield from FOLDERS
    programs = [_interpreter(), *(STANDARD_LIBRARY / "lib-dynload").glob("*.so")]
    programs = [each for each in programs if not re.match(r"_test|_tkinter|_ctypes_test|xx", each.name)]
    yield from _python(programs)
    tools = dict(_tools())
    yield from (copy(source, target) for target, source in tools.items())
    yield from _busybox_links(tools)
    yield from (copy(library, _place(library)) for library in _libraries([*programs, *tools.values()]))
    yield from _configuration()
    if pip:
        yield from _pip_files()


def _python(programs: Iterable[Path]) -> Iterator[Entry]:
    yield copy(_interpreter(), PREFIX / "bin" / f"python{VERSION}")
    if PREFIX.resolve() != PREFIX:
        yield link(PREFIX.resolve(), PREFIX)
    yield from (link(PREFIX / "bin" / name, f"python{VERSION}") for name in ("python3", "python"))
    for entry in tree(STANDARD_LIBRARY, STANDARD_LIBRARY, {*NOT_NEEDED, "lib-dynload"}):
        if not entry.info.name.endswith(".pyc") or entry.info.name.endswith(f".{sys.implementation.cache_tag}.pyc"):
            yield entry
    yield from (copy(each, each) for each in programs if each.suffix == ".so")
    yield folder(STANDARD_LIBRARY / "site-packages")


def _configuration() -> Iterator[Entry]:
    yield text("etc/passwd", "\n".join([*ACCOUNTS, "nobody:x:65534:65534:nobody:/:/bin/sh", ""]))
    yield text("etc/group", "root:x:0:\nairbyte:x:1000:\nnogroup:x:65534:\n")
    yield text("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n")
    if certificates := _certificates():
        yield copy(certificates, CERTIFICATES)
    loader_cache, zones = Path("/etc/ld.so.cache"), Path("/usr/share/zoneinfo")
    if loader_cache.exists():
        yield copy(loader_cache, loader_cache)
    if zones.exists():
        yield from tree(zones, zones, {"posix", "right"})


def _interpreter() -> Path:
    return Path(sys.executable).resolve()


def _certificates() -> Path | None:
    """What this host trusts, its own authorities included."""
    named = os.environ.get("SSL_CERT_FILE") or ssl.get_default_verify_paths().cafile
    return next((Path(path) for path in (named, *KNOWN_CERTIFICATES) if path and Path(path).is_file()), None)


def _merged() -> dict[str, str]:
    """`/lib` and the like where they are links into `/usr`: libraries are asked for by both names."""
    names = (name for name in ("bin", "lib", "lib64", "sbin") if Path("/", name).is_symlink())
    return {name: str(Path("/", name).readlink()).lstrip("/") for name in names}


def _place(path: Path) -> Path:
    return path.parent.resolve() / path.name


def _tools() -> Iterator[tuple[str, Path]]:
    """A busybox that needs no library, else the host's own programs."""
    if BUSYBOX.exists() and not _libraries([BUSYBOX]):
        yield "usr/bin/busybox", BUSYBOX
        return
    for name in TOOLS:
        if found := shutil.which(name, path="/usr/bin:/bin"):
            yield f"usr/bin/{name}", Path(found)


def _busybox_links(tools: Iterable[str]) -> Iterator[Entry]:
    if "usr/bin/busybox" in tools:
        listed = subprocess.run([BUSYBOX, "--list"], capture_output=True, text=True, check=True, timeout=10)
        yield from (link(f"usr/bin/{name}", "busybox") for name in listed.stdout.split() if name != "busybox")
    if "bin" not in _merged():
        yield from (link(f"bin/{name}", f"/usr/bin/{name}") for name in TOOLS)


def _libraries(programs: Iterable[Path]) -> list[Path]:
    """The shared libraries of programs, the loader among them, and their neighbours that compiled packages expect."""
    said = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=False, timeout=60).stdout
    named = {Path(path) for path in re.findall(r"^\s.*?(/\S.*) \(0x[0-9a-f]+\)$", said, re.MULTILINE)}
    homes = {path.parent for path in named if path.name.startswith(("libc.so", "ld-musl"))}
    expected = (path for home in homes for path in home.iterdir() if LIBRARIES_OF_WHEELS.fullmatch(path.name))
    return sorted({*named, *expected})


def _pip() -> importlib.metadata.Distribution:
    try:
        return importlib.metadata.distribution("pip")
    except importlib.metadata.PackageNotFoundError:
        raise FileNotFoundError(f"{sys.executable} has no pip") from None


def _pip_files() -> Iterator[Entry]:
    """Where the interpreter itself looks for packages, whatever environment we run in (Debian: `dist-packages`)."""
    ask = (_interpreter(), "-I", "-c", "import site; print(site.getsitepackages()[0])")
    packages = subprocess.run(ask, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    for file in _pip().files or ():
        inside = PurePosixPath(file)
        if inside.parts[0] != ".." and inside.suffix != ".pyc":
            yield copy(Path(str(file.locate())), PurePosixPath(packages) / inside)
