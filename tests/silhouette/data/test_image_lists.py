"""Lists of images as they are published: order, test list, and what is said about wrong ones."""

import numpy as np
import pytest
from PIL import Image

from silhouette.config import TrialConfig
from silhouette.data import splits
from silhouette.errors import InputError
from silhouette.training.run import Training
from tests.helpers.own_data import opened, write_list

pytestmark = pytest.mark.usefixtures("data_folder")


def test_a_list_keeps_its_order_and_the_test_list_beside_it_is_the_official_test(tmp_path):
    name = f"image_list:{write_list(tmp_path)}"
    write_list(tmp_path, "test", 6)
    data = opened(name, image_size=7)
    assert data.images.shape == (18, 3, 7, 7)
    assert data.images[:, 0, 3, 3].tolist() == [10 * n for n in (*range(12), *range(6))]
    assert data.labels.tolist() == [0, 1, 2] * 6
    assert (data.train, data.classes) == (12, ("0", "1", "2"))
    split = splits.make_split(TrialConfig(val_fraction=0), data, 0)
    assert (split.train.tolist(), split.test.tolist()) == (list(range(12)), list(range(12, 18)))


def test_lists_as_they_are_published(tmp_path):
    name = f"image_list:{write_list(tmp_path, name='ImageNet_LT_train.txt')}"
    write_list(tmp_path, "val", 3, name="ImageNet_LT_val.txt")  # is not read
    assert opened(name, image_size=7).train is None
    write_list(tmp_path, "test", 6, name="ImageNet_LT_test.txt")
    assert len(opened(name, image_size=7).labels) == 18


def test_a_list_takes_absolute_paths_and_tabs_and_keeps_grey_images_grey(tmp_path):
    path = write_list(tmp_path, mode="L", name="mine.txt")
    rows = [line.rpartition(" ") for line in path.read_text().split("\n") if line]
    path.write_text("\n".join(f"{tmp_path}/{image}\t{label}" for image, _, label in rows))
    data = opened(f"image_list:{path}", image_size=7)
    assert (data.images.shape, data.images[3, 0, 0, 0]) == ((12, 1, 7, 7), 30)


def test_a_list_may_begin_with_a_byte_order_mark_and_end_lines_as_windows_does(tmp_path):
    path = write_list(tmp_path)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert len(opened(f"image_list:{path}", image_size=7).labels) == 12


def test_one_colour_image_among_grey_ones_makes_three_channels(tmp_path):
    path = write_list(tmp_path, mode="L")
    Image.new("RGB", (9, 9), (0, 200, 0)).save(tmp_path / "train/an image 11.png")
    assert opened(f"image_list:{path}", image_size=7).images[11, :, 0, 0].tolist() == [0, 200, 0]


def test_a_changed_image_of_a_list_is_decoded_anew(tmp_path):
    name = f"image_list:{write_list(tmp_path)}"
    first = opened(name, image_size=7).sha256
    Image.new("RGB", (90, 90), (1, 2, 3)).save(tmp_path / "train/an image 4.png")
    assert opened(name, image_size=7).sha256 != first


def test_a_trial_trains_on_a_list(tmp_path):
    name = f"image_list:{write_list(tmp_path, count=30)}"
    write_list(tmp_path, "test", 6)
    training = Training(TrialConfig(dataset=name, image_size=8, epochs=1, width=2, batch_size=8), 0)
    training.step()
    result = training.result()
    assert result["data_sha256"] == opened(name, image_size=8).sha256
    assert result["class_total"] == [2, 2, 2]


def replaced(old, new):
    def change(path):
        path.write_text(path.read_text().replace(old, new))

    return change


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (replaced("4.png", "40.png"), r"line 5: \S+train/an image 40.png cannot be read \(No such file .* the list$"),
        (replaced("4.png 1", "4.png"), "line 5: must be `path label`, label 0 or more, got 'train/an image 4.png'"),
        (replaced("4.png 1", "4.png 1.5"), "line 5: must be `path label`"),
        (replaced("4.png 1", "4.png -1"), "line 5: must be `path label`"),
        (replaced("4.png 1", f"4.png {10**30}"), "line 5: must be `path label`"),
        (replaced("4.png 1", "3.png 1"), "line 5: .*image 3.png stands in line 4 of train.txt already; list each"),
        (replaced(" 1\n", " 3\n"), "label 1 has no sample, but labels go up to 3; number the classes"),
        (lambda p: p.write_text("\n \n"), "must list images, one `path label` on each line; it is empty"),
        (lambda p: p.write_bytes(b"\xff\xfe"), "cannot be read as a list of images"),
        (lambda p: p.unlink(), "cannot be read as a list of images"),
    ],
)
def test_a_wrong_list_is_one_line(change, line, tmp_path):
    path = write_list(tmp_path)
    change(path)
    with pytest.raises(InputError, match=rf"^dataset: {path}: {line}") as caught:
        opened(f"image_list:{path}", image_size=7)
    assert "\n" not in str(caught.value)


def test_a_test_image_that_is_trained_on_is_refused(tmp_path):
    path = write_list(tmp_path)
    tests = write_list(tmp_path, "test", 6)
    tests.write_text(tests.read_text() + "train/../train/an image 2.png 2\n")
    with pytest.raises(InputError, match=rf"^dataset: {tests}: line 8: .*image 2.png stands in line 3 of train.txt"):
        opened(f"image_list:{path}", image_size=7)


def test_a_class_of_the_test_list_alone_is_refused(tmp_path):
    path = write_list(tmp_path)
    write_list(tmp_path, "test", 6, classes=4)
    with pytest.raises(InputError, match=r"test.txt: label 3 has no training sample; take it out"):
        opened(f"image_list:{path}", image_size=7)


def test_a_cut_image_is_one_line(tmp_path):
    path = write_list(tmp_path)
    image = tmp_path / "train/an image 7.png"
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    Image.fromarray(noise).save(image)
    image.write_bytes(image.read_bytes()[:900])
    with pytest.raises(InputError, match=rf"^dataset: {image} is not an image that can be read \("):
        opened(f"image_list:{path}", image_size=7)
