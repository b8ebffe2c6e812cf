"""A sensor does what its numbers say."""

from __future__ import annotations

import numpy as np
import pytest

from flame_fit.appearance import linear_to_srgb
from flame_fit.errors import UsageError
from flame_fit.image_files import srgb8_to_linear
from flame_fit.synth.sensor import Sensor, develop, random_rough_sensor, random_sensor


@pytest.fixture
def light(rng):
    return rng.uniform(0.05, 0.6, (40, 60, 3))


def test_a_perfect_sensor_only_rounds(light):
    expected = (linear_to_srgb(light) * 255.0).round().astype(np.uint8)
    np.testing.assert_array_equal(develop(light, Sensor()), expected)


def test_exposure_multiplies_light_and_clips(light):
    found = srgb8_to_linear(develop(light, Sensor(exposure=0.5, cast=(1.0, 0.5, 1.0))))
    np.testing.assert_allclose(found[..., 0], 0.5 * light[..., 0], atol=0.005)
    np.testing.assert_allclose(found[..., 1], 0.25 * light[..., 1], atol=0.005)
    assert (develop(light, Sensor(exposure=100.0)) == 255).all()


def test_blur_spreads_light_and_loses_none():
    point = np.zeros((41, 41, 3))
    point[20, 20] = 1.0
    for sensor in (
        Sensor(blur=2.0, exposure=20.0),
        Sensor(shake=6.0, shake_direction=0.5, exposure=3.0),
    ):
        spread = srgb8_to_linear(develop(point, sensor)).sum(axis=(0, 1)) / sensor.exposure
        assert spread == pytest.approx([1.0, 1.0, 1.0], rel=0.1)


def test_a_shake_to_the_right_blurs_along_rows_only():
    point = np.zeros((41, 41, 3))
    point[20, 20] = 1.0
    row, column = np.nonzero(develop(point, Sensor(shake=9.0))[..., 0])
    assert np.ptp(row) == 0
    assert np.ptp(column) == 8


def test_noise_has_its_deviation_and_its_seed():
    flat = np.full((200, 200, 3), 0.25)
    sensor = Sensor(shot_noise=0.04, read_noise=0.01, seed=3)
    found = srgb8_to_linear(develop(flat, sensor))
    assert found.std() == pytest.approx(np.sqrt(0.25 * 0.04**2 + 0.01**2), rel=0.05)
    np.testing.assert_array_equal(develop(flat, sensor), develop(flat, sensor))
    other = Sensor(shot_noise=0.04, read_noise=0.01, seed=4)
    assert not np.array_equal(develop(flat, sensor), develop(flat, other))


def test_compression_loses_a_little(light):
    whole = develop(light, Sensor()).astype(float)
    errors = [
        np.abs(develop(light, Sensor(jpeg_quality=quality)) - whole).mean() for quality in (98, 30)
    ]
    assert 0.0 < errors[0] < errors[1]


def test_random_sensors_are_sane():
    for seed in range(50):
        sensor = random_sensor(np.random.default_rng(seed))
        assert 0.3 < sensor.exposure < 3.0
        assert sensor == random_sensor(np.random.default_rng(seed))


@pytest.mark.parametrize("quality", [0, 101])
def test_an_impossible_quality_is_refused(quality):
    with pytest.raises(UsageError, match=f"jpeg_quality is {quality}; give 1 to 100, or None"):
        Sensor(jpeg_quality=quality)


def test_negative_numbers_are_refused():
    with pytest.raises(UsageError, match=r"blur is -1\.0; it cannot be negative"):
        Sensor(blur=-1.0)


def test_a_grey_picture_has_no_colour_and_keeps_its_brightness(light):
    grey = develop(light, Sensor(saturation=0.0))
    assert (grey == grey[..., :1]).all()
    plain = develop(light, Sensor())
    np.testing.assert_allclose(grey[..., 0], plain @ np.array((0.299, 0.587, 0.114)), atol=1.1)


def test_contrast_moves_values_away_from_the_middle(light):
    plain = develop(light, Sensor()).astype(float)
    strong = develop(light, Sensor(contrast=1.2)).astype(float)
    expected = np.clip(127.5 + 1.2 * (plain - 127.5), 0.0, 255.0)
    np.testing.assert_allclose(strong, expected, atol=1.2)


def test_a_low_resolution_loses_detail_and_keeps_the_mean(light):
    plain, coarse = (develop(light, Sensor(resolution=share)) for share in (1.0, 0.25))
    assert coarse.shape == plain.shape
    assert np.diff(coarse.astype(float), axis=0).std() < 0.4 * np.diff(plain.astype(float)).std()
    np.testing.assert_allclose(coarse.mean(), plain.mean(), atol=2.0)


def test_rough_sensors_are_wider_than_usual_ones():
    rough, usual = (
        [make(np.random.default_rng(seed)) for seed in range(200)]
        for make in (random_rough_sensor, random_sensor)
    )
    assert rough == [random_rough_sensor(np.random.default_rng(seed)) for seed in range(200)]
    for name in ("exposure", "blur", "shot_noise"):
        spread = [np.std([getattr(sensor, name) for sensor in each]) for each in (rough, usual)]
        assert spread[0] > spread[1]
    assert 0 < sum(sensor.saturation == 0.0 for sensor in rough) < 40


@pytest.mark.parametrize("resolution", [0.0, -0.5, 1.5])
def test_an_impossible_resolution_is_refused(resolution):
    with pytest.raises(UsageError, match="give a share above 0, at most 1"):
        Sensor(resolution=resolution)
