"""The API's documentation: Doxygen has nothing to complain of, every class and function has words, and what has words is exported."""

import re
import xml.etree.ElementTree as xml

import pytest

from conftest import BUILD, run

GIVEN_BY_THE_LANGUAGE = ("operator==", "operator<=>")


@pytest.fixture(scope="module")
def classes():
    """Doxygen's own view of the public headers; a warning of it fails the target."""
    run("cmake", "--build", BUILD, "--target", "docs")
    assert (BUILD / "docs/html/index.html").exists()
    compounds = [one for path in (BUILD / "docs/xml").glob("*.xml") for one in xml.parse(path).getroot().iter("compounddef")]
    public = [one for one in compounds if one.get("kind") in ("class", "struct", "namespace") and one.get("prot") != "private"]
    return [one for one in public if one.findtext("compoundname").startswith("pgcluster")]


def says_something(element):
    return any("".join(part.itertext()).strip() for name in ("briefdescription", "detaileddescription") for part in element.findall(name))


def inside(compound):
    return {member.get("id"): member for member in compound.iter("memberdef") if member.get("prot") == "public"}


def functions(compound):
    for member in inside(compound).values():
        if member.get("kind") in ("function", "friend") and member.findtext("name") not in GIVEN_BY_THE_LANGUAGE:
            yield member


def left_alone(member):
    """Destructors, what is deleted or defaulted, and what says the same as the function that it overrides (Doxygen takes its words over)."""
    text = (member.findtext("argsstring") or "") + (member.findtext("definition") or "")
    overrides = member.find("reimplements") is not None or text.endswith("override")
    return "~" in member.findtext("name") or "=delete" in text or "=default" in text or overrides or member.get("kind") == "friend"


def where(element):
    location = element.find("location")
    return f"{location.get('file')}:{location.get('line')}"


def test_every_class_has_words(classes):
    silent = [f"{where(one)}: {one.findtext('compoundname')}" for one in classes if one.get("kind") != "namespace" and not says_something(one)]
    assert len(classes) > 80 and not silent, "\n".join(silent)


def test_every_function_and_enumeration_has_words(classes):
    silent, seen = [], 0
    for compound in classes:
        for member in inside(compound).values():
            if member.get("kind") not in ("function", "enum", "typedef") or member.findtext("name") in GIVEN_BY_THE_LANGUAGE:
                continue
            seen += 1
            if not says_something(member) and not left_alone(member):
                silent.append(f"{where(member)}: {compound.findtext('compoundname')}::{member.findtext('name')}")
    assert seen > 200 and not silent, "\n".join(silent)


def test_what_is_documented_is_exported(classes, shared):
    [library] = [path for path in shared.rglob("libpgcluster.so.*") if not path.is_symlink()]
    exported = {re.sub(r"(\[abi:cxx11\])?\(.*", "", line.split(" ", 2)[2]) for line in run("nm", "-DC", "--defined-only", library).splitlines()}
    missing, seen = [], 0
    for compound in classes:
        name = compound.findtext("compoundname")
        for member in functions(compound):
            inline = member.find("location").get("bodyfile") or member.find("templateparamlist") is not None
            nothing = member.get("virt") == "pure-virtual" or re.search("=(default|delete)", member.findtext("argsstring") or "")
            if inline or nothing or member.get("kind") == "friend":
                continue
            seen += 1
            if f"{name}::{member.findtext('name')}" not in exported:
                missing.append(f"{where(member)}: {name}::{member.findtext('name')}")
    assert seen > 120 and not missing, "\n".join(missing)
