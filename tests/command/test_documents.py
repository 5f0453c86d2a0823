"""Documents that the command's own output keeps current, the links between them, and the example specs."""
import os
import pathlib
import re
import subprocess

import pytest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*SOURCE.glob("*.md"), *SOURCE.glob("docs/*.md"), *SOURCE.glob("examples/*.md")])
SPECS = sorted(SOURCE.glob("examples/*.yaml"))


def written_by(tool, *words):
    subprocess.run([SOURCE / "tools" / tool, os.environ["PGCLUSTER_BINARY"], *words], check=True)


def test_the_configuration_reference_is_current(tmp_path):
    written_by("configuration", tmp_path / "configuration.md")
    assert (SOURCE / "docs/configuration.md").read_text() == (tmp_path / "configuration.md").read_text(), "run tools/configuration PGCLUSTER"


def test_the_configuration_reference_has_every_key(pgcluster):
    reference = (SOURCE / "docs/configuration.md").read_text()
    keys = re.findall(r'^    "(\w+)": \{$', pgcluster("schema").stdout, re.M)
    assert len(keys) > 50 and [key for key in keys if f"\n| `{key}` |" not in reference] == []


def test_the_pictures_of_the_schemes_are_current(tmp_path):
    written_by("pictures", tmp_path)
    for picture in tmp_path.iterdir():
        assert (SOURCE / "docs/images" / picture.name).read_text() == picture.read_text(), "run tools/pictures PGCLUSTER"


def anchors(document):
    """Of its headings, as GitHub makes them."""
    text = re.sub(r"^```.*?^```$", "", document.read_text(), flags=re.M | re.S)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in re.findall(r"^#+ (.+)$", text, re.M)}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_links_lead_somewhere(document):
    for link in re.findall(r"\]\(([^)\s]+)\)", document.read_text()):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_the_first_commands_of_the_readme():
    assert re.findall(r"^    (\S.*)$", (SOURCE / "README.md").read_text(), re.M)[:2] == ["./quickstart", "./test"]


def test_every_example_is_in_the_index():
    index = (SOURCE / "examples/README.md").read_text()
    files = [*SPECS, *SOURCE.glob("examples/*.cpp"), *SOURCE.glob("examples/python/*.py")]
    assert [path.name for path in files if f"({path.relative_to(SOURCE / 'examples').as_posix()})" not in index] == []


@pytest.mark.parametrize("spec", SPECS, ids=lambda path: path.name)
def test_an_example_is_valid_as_it_is(pgcluster, spec, tmp_path):
    done = pgcluster("validate", "-f", spec, env={"HOME": tmp_path})    # also where the user has no key yet
    assert done.returncode == 0, done.stderr
    assert "PGCLUSTER_LAB" not in spec.read_text()
