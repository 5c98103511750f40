"""Amounts of CPU and memory: read as Kubernetes reads them, or refused without telling what was given."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from airbyte_workers.quantities import LEAST_CPU, LEAST_MEMORY, cpus, memory_bytes

KUBERNETES = {
    "": 1,
    "k": 10**3,
    "M": 10**6,
    "G": 10**9,
    "T": 10**12,
    "Ki": 2**10,
    "Mi": 2**20,
    "Gi": 2**30,
    "Ti": 2**40,
}
REFUSALS = {
    "not a number of cores such as 0.5 or 500m",
    "not an amount of memory such as 512Mi or 2Gi",
    "less than 0.01 cores",
    "less than 6Mi of memory",
}
NOT_A_NUMBER = [
    "",
    " ",
    "m",
    "Mi",
    "-1",
    "+1",
    "1,5",
    "1.",
    ".",
    "1..5",
    "0x10",
    "nan",
    "inf",
    "1 000",
    "\N{ARABIC-INDIC DIGIT ONE}",
    "1\n2",
]
HUGE = "9" * 400


@pytest.mark.parametrize(
    ("text", "cores"),
    [
        ("1", 1),
        ("2", 2),
        ("0.5", 0.5),
        (".5", 0.5),
        ("500m", 0.5),
        ("10m", 0.01),
        ("0.01", 0.01),
        ("1500m", 1.5),
        ("2500.0m", 2.5),
        (" 4 ", 4),
    ],
)
def test_cores(text: str, cores: float) -> None:
    assert cpus(text) == cores


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("536870912", 512 * 2**20),
        ("512Mi", 512 * 2**20),
        ("2Gi", 2 * 2**30),
        ("1Ti", 2**40),
        ("6144Ki", 6 * 2**20),
        ("512M", 512 * 10**6),
        ("1.5G", 1_500_000_000),
        ("8.2M", 8_200_000),
        ("7000k", 7_000_000),
        ("512m", 512 * 2**20),
        ("2g", 2 * 2**30),
        ("7000000b", 7_000_000),
        (".5Gi", 2**29),
        (" 6Mi\n", LEAST_MEMORY),
    ],
)
def test_memory(text: str, size: int) -> None:
    assert memory_bytes(text) == size


@pytest.mark.parametrize("text", [*NOT_A_NUMBER, "1Mi", "500M", "1 core", "1mm", "1e3", HUGE, f"0.{HUGE}"])
def test_what_is_no_number_of_cores(text: str) -> None:
    with pytest.raises(ValueError, match=r"^not a number of cores such as 0.5 or 500m$"):
        cpus(text)


@pytest.mark.parametrize("text", [*NOT_A_NUMBER, "1MB", "512mi", "512MI", "1e9", "1 Gi", "much", HUGE, f"{HUGE}Gi"])
def test_what_is_no_amount_of_memory(text: str) -> None:
    with pytest.raises(ValueError, match=r"^not an amount of memory such as 512Mi or 2Gi$"):
        memory_bytes(text)


@pytest.mark.parametrize("text", ["0", "0m", "0.0", "9m", "0.009", ".001"])
def test_fewer_cores_than_an_engine_takes(text: str) -> None:
    with pytest.raises(ValueError, match=r"^less than 0.01 cores$"):
        cpus(text)


@pytest.mark.parametrize("text", ["0", "0Gi", "1", "512", "5Mi", "6M", "6291455", "1k"])
def test_less_memory_than_an_engine_takes(text: str) -> None:
    with pytest.raises(ValueError, match=r"^less than 6Mi of memory$"):
        memory_bytes(text)


amounts = st.builds(
    lambda number, places: f"{number // 10**places}.{number % 10**places:0{places}}" if places else str(number),
    st.integers(0, 10**9),
    st.integers(0, 3),
)


@given(amounts, st.sampled_from(sorted(KUBERNETES)))
@example("8.2", "M")
@example("64.1", "M")
def test_memory_is_what_kubernetes_would_read(number: str, unit: str) -> None:
    wanted = Fraction(number) * KUBERNETES[unit]
    try:
        read = memory_bytes(number + unit)
    except ValueError:
        assert wanted < LEAST_MEMORY
    else:
        assert abs(read - wanted) <= max(1, wanted / 2**52)  # to the byte, where a byte is to be seen
        assert read >= LEAST_MEMORY


@given(amounts, st.sampled_from(["", "m"]))
def test_cores_are_what_kubernetes_would_read(number: str, unit: str) -> None:
    wanted = Fraction(number) / (1000 if unit else 1)
    try:
        read = cpus(number + unit)
    except ValueError:
        assert wanted < Fraction(1, 100)
    else:
        assert read == pytest.approx(float(wanted), rel=1e-12)
        assert read >= LEAST_CPU


@given(st.text() | st.from_regex(r"\A[0-9.]{1,30}[A-Za-z]{0,3}\Z") | st.from_regex(r"\A[0-9]{300,500}\Z"))
def test_whatever_is_typed_is_read_or_refused_without_being_told(text: str) -> None:
    for read in (cpus, memory_bytes):
        said = ""
        try:
            assert 0 < read(text) < float("inf")
        except ValueError as error:
            said = str(error)
        assert said in {"", *REFUSALS}
