"""What changed between two studies: only what both have, in one unit, of one patient, in the order of time."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radseek.retrieval.errors import UsageError
from radseek.retrieval.regions.change import Change, change, check_prior
from radseek.retrieval.regions.measure import Measurement, measure
from radseek.retrieval.regions.region import Region
from radseek.retrieval.types import Study
from tests.mask_support import affine_of, ellipsoid, empty_volume, middle


def row(value: float | None, quantity: str = "volume", unit: str = "ml", label: str = "nodule") -> Measurement:
    return Measurement(label, quantity, value, unit, None if value is not None else "left")


@pytest.mark.slow
@given(st.floats(0.01, 1e4), st.floats(0, 1e4))
def test_a_change_is_after_less_before(before: float, after: float) -> None:
    (found,) = change([row(before)], [row(after)])
    assert found.absolute == after - before
    assert found.percent == pytest.approx(100 * (after / before - 1), abs=1e-6)
    assert (found.label, found.quantity, found.unit) == ("nodule", "volume", "ml")


def test_from_nothing_there_is_no_percentage() -> None:
    assert change([row(0.0)], [row(2.0)]) == (Change("nodule", "volume", 0.0, 2.0, 2.0, None, "ml"),)


def test_only_what_both_studies_have_in_one_unit() -> None:
    before = [row(1.0), row(2.0, "mean", "raw"), row(3.0, "p5", "HU"), row(None, "laterality", ""), row(9.0, label="b")]
    after = [row(4.0, "mean", "raw"), row(5.0, "p5", "SUV"), row(None, "laterality", ""), row(1.5), row(7.0, label="c")]
    assert [(c.label, c.quantity) for c in change(before, after)] == [("nodule", "volume")]


def test_a_sphere_that_grows() -> None:
    """Measured in two scans of different voxels: 20 to 24 mm is 73 % more volume and 20 % more diameter."""
    rows = []
    for spacing, radius in (((0.8, 0.8, 1.5), 10), ((0.7, 0.7, 1.0), 12)):
        affine, shape = affine_of(spacing), (36, 50, 50)
        ball = ellipsoid(shape, affine, middle(shape, affine), [radius] * 3)
        rows.append(measure(Region.of("nodule", ball), empty_volume(shape, affine)))
    found = {one.quantity: one for one in change(*rows)}
    assert found["volume"].percent == pytest.approx(72.8, abs=5)
    assert found["longest_axial_diameter"].absolute == pytest.approx(4, abs=1)
    assert {"short_axis", "components", "mean"} <= set(found)


def study(uid: str, patient: str = "", date: str = "") -> Study:
    return Study(uid, uid * 2, (), (), patient_id=patient, attributes={"StudyDate": date} if date else {})


def test_what_cannot_be_a_prior() -> None:
    now = study("2", "P", "20240601")
    check_prior(now, study("1", "P", "20230601"))
    check_prior(now, study("1"))  # NIfTI says neither
    with pytest.raises(UsageError, match="the study itself"):
        check_prior(now, now)
    with pytest.raises(UsageError, match="another patient"):
        check_prior(now, study("1", "Q", "20230601"))
    with pytest.raises(UsageError, match="later than the study"):
        check_prior(now, study("1", "P", "20240701"))


def test_details_are_plain_values() -> None:
    region = Region.of("x", np.ones((3, 4, 5), bool), ("resampled: x",))
    for one in measure(region, empty_volume((3, 4, 5), affine_of((1, 1, 1)))):
        assert json.loads(json.dumps(one.details)) == one.details
