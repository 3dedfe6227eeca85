"""environment.yml and pyproject.toml name the same packages with the same limits."""

import tomllib
from pathlib import Path

import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
CONDA_NAME = {"torch": "pytorch", "matplotlib": "matplotlib-base"}
CONDA_ONLY = {"python", "pip", "gnuradio", "uhd", "libiio"}


def conda_packages():
    entries = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    names = [entry.replace("=", ">", 1).split(">")[0].split("<")[0] for entry in entries]
    return dict(zip(names, entries, strict=True))


def test_conda_and_pip_users_install_the_same():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = list(project["dependencies"])
    for extra in project["optional-dependencies"].values():
        wanted += extra
    conda = conda_packages()
    pip_names = set()
    for text in wanted:
        requirement = Requirement(text)
        name = CONDA_NAME.get(requirement.name, requirement.name)
        pip_names.add(name)
        assert conda[name] == f"{name}{requirement.specifier}", name
    assert set(conda) == pip_names | CONDA_ONLY


def test_torch_is_pinned_for_pip():
    assert "torch==2.13.0" in (ROOT / "constraints.txt").read_text()
