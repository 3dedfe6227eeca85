"""`airmeta data`: which datasets there are, whether they are whole, and what they look like."""

import json
import shutil
from pathlib import Path
from typing import Any

import click

from tools.options import cache_option, config_argument, json_option, readable_errors, set_option

NAMES = "glyphs", "omniglot", "mnist", "emnist", "femnist", "shakespeare"
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
    "emnist": tuple(
        f"emnist-byclass-{part}-{kind}-ubyte{end}"
        for part in ("train", "test")
        for kind in ("images-idx3", "labels-idx1")
        for end in (".gz", "")
    ),
    "femnist": ("femnist",),
    "shakespeare": ("tinyshakespeare.txt", "input.txt"),
}
name_argument = click.argument("name", type=click.Choice(NAMES))
root_option = click.option(
    "--data-root",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the data files; default: the cache.",
)


@click.group("data")
def command() -> None:
    """List, fetch, verify and show datasets, and who holds what of them.

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
        about = {"name": name, "state": state, "classes": shape.train_classes, "new_classes": shape.new_classes}
        rows.append(about | {"owner": shape.owner or None})
    if as_json:
        click.echo(json.dumps(rows))
        return
    for row in rows:
        owned = f", by {row['owner']}" if row["owner"] else ""
        click.echo(f"{row['name']:12s} {row['state']:18s} {row['classes']} + {row['new_classes']} classes{owned}")


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
    from fl.data.base import load, prepare

    with readable_errors():
        dataset = load(name, None, cache) if source is None else prepare(name, source, cache)
        if source is not None:
            for file in FILES[name]:
                if (source / file).is_dir() and source.resolve() != cache.resolve():
                    shutil.copytree(source / file, cache / file, dirs_exist_ok=True)
                elif (source / file).exists() and source.resolve() != cache.resolve():
                    shutil.copy2(source / file, cache / file)
    click.echo(f"{name}: {_contents(dataset)}, in {cache}")


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
    from fl.data.base import build, cached_at, load
    from fl.data.files import DataError

    with readable_errors():
        arrays, dataset = build(name, data_root or cache), load(name, data_root, cache)
        if arrays.images.tobytes() != dataset.images.tobytes():
            folder = cached_at(name, cache)
            raise DataError(f"{folder}: the cached {name} differ from the files; remove that folder, it is made anew")
    click.echo(f"{name}: {_contents(dataset)}, the files and the cache agree")


@command.command("partition")
@config_argument
@set_option
@cache_option
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="JSON file to write.")
def partition(config: Path, overrides: tuple[str, ...], cache: Path, out: Path) -> None:
    """Deal the data of an experiment to its agents and keep the result: a file for task.partition.

    \b
    Example:
        airmeta data partition experiment.toml --set task.partition=dirichlet --out dirichlet.json
    """
    from fl.data.partition_file import save
    from tools.partition_view import dealt

    with readable_errors():
        held, _ = dealt(config, overrides, None, cache)
        save(held, out)
    click.echo(f"{out}: {len(held.training)} + {len(held.new)} agents of {held.dataset}, digest {held.digest[:12]}…")


@command.command("show")
@click.argument("what", metavar="NAME|PARTITION|CONFIG")
@root_option
@cache_option
@set_option
@json_option
@click.option("--classes", type=click.IntRange(1, 200), default=16, show_default=True, help="Rows of the sheet.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="PNG file; default NAME.png.")
def show(
    what: str, data_root: Path | None, cache: Path, overrides: tuple[str, ...], as_json: bool, classes: int,
    out: Path | None,
) -> None:  # fmt: skip
    """Draw a dataset, or who holds what of it.

    Of a dataset: one row a class, up to 20 images, half of the rows from the classes of new agents; of text, how roles
    begin. Of a partition file (.json) or the partition of an experiment (.toml): the samples of each class that each
    agent holds, and how many are to train, to personalise and to be tested.

    \b
    Examples:
        airmeta data show glyphs --out glyphs.png --classes 24
        airmeta data show dirichlet.json
        airmeta data show experiment.toml --set task.alpha=0.1
    """
    from fl.data.base import load

    if what not in NAMES:
        _show_partition(what, overrides, data_root, cache, out, as_json)
        return
    with readable_errors():
        dataset = load(what, data_root, cache)
    if dataset.is_text:
        _show_text(dataset, classes)
    else:
        _show_images(dataset, classes, out or Path(f"{what}.png"))


def _show_partition(
    what: str, overrides: tuple[str, ...], data_root: Path | None, cache: Path, out: Path | None, as_json: bool
) -> None:
    from tools.partition_view import dealt, describe, draw

    with readable_errors():
        held, dataset = dealt(Path(what), overrides, data_root, cache)
    target = out or Path(f"{Path(what).stem}.png")
    draw(held, dataset).savefig(target, dpi=150)
    about = describe(held, dataset)
    if as_json:
        click.echo(json.dumps(about | {"picture": str(target)}))
        return
    for key, value in about.items():
        click.echo(f"{key:22s} {_spelt(value)}")
    click.echo(f"{'picture':22s} {target}")


def _spelt(value: Any) -> str:
    """Return a recipe, or the spread of a number over agents, as a line of text."""
    if isinstance(value, dict):
        return ", ".join(f"{key} = {one}" for key, one in value.items())
    if isinstance(value, list):
        least, median, most = value
        return f"{least:g}" if least == most else f"{least:g} to {most:g}, median {median:g}"
    return str(value)


def _show_images(dataset: Any, classes: int, target: Path) -> None:
    import numpy as np
    from PIL import Image

    half = (classes + 1) // 2 if len(dataset.new_classes) else classes
    rows = [*dataset.train_classes[:half], *dataset.new_classes[: classes - half]]
    sheet = np.concatenate(
        [np.concatenate(list(255 - dataset.images[dataset.class_images[row][:20]]), axis=1) for row in rows]
    )
    Image.fromarray(sheet).resize((2 * sheet.shape[1], 2 * sheet.shape[0])).save(target)
    click.echo(f"{target}: {len(rows)} classes of {dataset.name}")


def _show_text(dataset: Any, roles: int) -> None:
    """Print the first window of the roles that speak most."""
    import numpy as np

    from fl.data.shakespeare import decode

    sizes = np.bincount(dataset.owners)
    for role in np.argsort(-sizes, kind="stable")[:roles]:
        first = int(np.searchsorted(dataset.owners, role))
        click.echo(f"{dataset.owner_names[role]} ({sizes[role]} windows): {decode(dataset.images[first])!r}")


def _contents(dataset: Any) -> str:
    owned = f" of {len(dataset.owner_names)} owners" if dataset.owner_names else ""
    if dataset.is_text:
        return f"{len(dataset.images)} windows{owned}"
    return f"{len(dataset.images)} images of {len(dataset.class_images)} classes{owned}"
