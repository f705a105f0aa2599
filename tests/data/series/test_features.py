import numpy as np
import pytest

from cells.data.series.features import encode_features
from cells.errors import UserError


def test_numbers_are_scaled_by_the_training_rows() -> None:
    encoded, names = encode_features({"x": np.array([1.0, 3.0, 100.0])}, 3, range(2))
    assert names == ["x"]
    assert encoded[:, 0].tolist() == [-1.0, 1.0, 98.0]


def test_a_column_that_is_constant_in_training_is_only_centred() -> None:
    encoded, _ = encode_features({"snow": np.array([0.1, 0.1, 0.1, 4.1])}, 4, range(3))
    np.testing.assert_allclose(encoded[:, 0], [0, 0, 0, 4], atol=1e-12)


def test_missing_numbers_do_not_count_and_stay_missing() -> None:
    encoded, _ = encode_features({"x": np.array([1.0, np.nan, 3.0])}, 3, range(3))
    np.testing.assert_equal(encoded[:, 0], [-1, np.nan, 1])


def test_a_category_of_the_training_rows_gets_an_input_and_any_other_is_all_zeros() -> None:
    wind = np.array(["SE", "NW", "", "SE", "calm"], dtype=object)
    encoded, names = encode_features({"wind": wind}, 5, range(3))
    assert names == ["wind=NW", "wind=SE"]
    assert encoded.tolist() == [[0, 1], [1, 0], [0, 0], [0, 1], [0, 0]]


def test_no_features_make_no_columns() -> None:
    encoded, names = encode_features({}, 7, range(5))
    assert encoded.shape == (7, 0)
    assert names == []


def test_a_column_without_a_value_in_training_is_refused() -> None:
    with pytest.raises(UserError, match=r"data\.features: column 'x' has no value in the training split"):
        encode_features({"x": np.array([np.nan, np.nan, 3.0])}, 3, range(2))


def test_a_text_column_of_too_many_values_is_refused() -> None:
    names = np.array([f"station {number}" for number in range(60)], dtype=object)
    with pytest.raises(UserError, match=r"text column 'name' holds 55 different values .* leave it out"):
        encode_features({"name": names}, 60, range(55))
