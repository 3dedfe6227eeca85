"""`airmeta data`: which datasets there are, whether they are whole, and what they look like."""

import json
import shutil
from pathlib import Path

import click

from tools.options import cache_option, json_option, readable_errors

NAMES = "glyphs", "omniglot", "mnist"
FILES = {
    "glyphs": (),
    "omniglot": (
        "images_background.zip",
        "images_evaluation.zip",
        "omniglot_background.npz",
        "omniglot_evaluation.npz",
    ),
    "mnist": (
        "mnist.npz",
        *(
            f"{part}-{kind}-ubyte{end}"
            for part in ("train", "t10k")
            for kind in ("images-idx3", "labels-idx1")
            for end in (".gz", "")
        ),
    ),
}
name_argument = click.argument("name", type=click.Choice(NAMES))
root_option = click.option(
    "--data-root",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the data files; default: the cache.",
)


@click.group("data")
def command() -> None:
    """List, fetch, verify and show datasets.

    \b
    Example:
        airmeta data show glyphs --out glyphs.png
    """


@command.command("list")
@root_option
@cache_option
@json_option
def list_datasets(data_root: Path | None, cache: Path, as_json: bool) -> None:
    """Say which datasets there are and whether their files are here.

    \b
    Example:
        airmeta data list --data-root ~/data
    """
    from fl.data.base import SHAPES, is_cached

    rows = []
    for name in NAMES:
        present = [file for file in FILES[name] if ((data_root or cache) / file).exists()]
        state = "ready" if is_cached(name, cache) else "made on first use" if name == "glyphs" or present else "missing"
        shape = SHAPES[name]
        rows.append({"name": name, "state": state, "classes": shape.train_classes, "new_classes": shape.new_classes})
    if as_json:
        click.echo(json.dumps(rows))
        return
    for row in rows:
        click.echo(f"{row['name']:10s} {row['state']:18s} {row['classes']} + {row['new_classes']} classes")


@command.command("fetch")
@name_argument
@click.option(
    "--from", "source", type=click.Path(path_type=Path, file_okay=False, exists=True), help="Folder with the files."
)
@cache_option
def fetch(name: str, source: Path | None, cache: Path) -> None:
    """Copy a dataset's files from a folder into the cache, check them and prepare them; glyphs are made here.

    Nothing is downloaded: the messages say which files to get, and where.

    \b
    Examples:
        airmeta data fetch glyphs
        airmeta data fetch omniglot --from ~/Downloads
    """
    from fl.data.base import load

    with readable_errors():
        dataset = load(name, source, cache)
        if source is not None:
            for file in FILES[name]:
                if (source / file).exists() and source.resolve() != cache.resolve():
                    shutil.copy2(source / file, cache / file)
    click.echo(f"{name}: {len(dataset.images)} images of {len(dataset.class_images)} classes, in {cache}")


@command.command("verify")
@name_argument
@root_option
@cache_option
def verify(name: str, data_root: Path | None, cache: Path) -> None:
    """Read a dataset's files again and compare them with the cache, byte for byte.

    \b
    Example:
        airmeta data verify omniglot --data-root ~/data
    """
    from fl.data.base import DataError, build, load

    with readable_errors():
        arrays, dataset = build(name, data_root or cache), load(name, data_root, cache)
        if arrays.images.tobytes() != dataset.images.tobytes():
            raise DataError(f"{cache}: the cached {name} differ from the files; remove that folder, it is made anew")
    click.echo(f"{name}: {len(dataset.images)} images, the files and the cache agree")


@command.command("show")
@name_argument
@root_option
@cache_option
@click.option("--classes", type=click.IntRange(1, 200), default=16, show_default=True, help="Rows of the sheet.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="PNG file; default NAME.png.")
def show(name: str, data_root: Path | None, cache: Path, classes: int, out: Path | None) -> None:
    """Write a contact sheet: one row a class, up to 20 images, half of the rows from the classes of new agents.

    \b
    Example:
        airmeta data show glyphs --out glyphs.png --classes 24
    """
    import numpy as np
    from PIL import Image

    from fl.data.base import load

    with readable_errors():
        dataset = load(name, data_root, cache)
    half = (classes + 1) // 2
    rows = [*dataset.train_classes[:half], *dataset.new_classes[: classes - half]]
    sheet = np.concatenate(
        [np.concatenate(list(255 - dataset.images[dataset.class_images[row][:20]]), axis=1) for row in rows]
    )
    target = out or Path(f"{name}.png")
    Image.fromarray(sheet).resize((2 * sheet.shape[1], 2 * sheet.shape[0])).save(target)
    click.echo(f"{target}: {len(rows)} classes of {name}")
