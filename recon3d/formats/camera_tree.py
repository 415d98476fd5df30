"""YAML and OpenCV's XML of camera files as plain dicts, lists and texts, read without trusting them."""

import re
from typing import Any
from xml.etree import ElementTree

import yaml

from recon3d.errors import InputError
from recon3d.formats.untrusted import naming

MAX_CHARACTERS = 2**19
"""Larger files are refused before they are parsed: a camera needs a hundredth of it."""

_HEADER = re.compile(r"\A%YAML[^\n]*\n")
_MAX_XML_DEPTH = 20


class _Loader(yaml.BaseLoader):  # type: ignore[misc]  # PyYAML brings no types
    """Makes texts, lists and dicts of everything, whatever its tag; refuses aliases, which bombs are made of."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise InputError("got a YAML alias (*name), wanted the values written out")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        mapping: dict[Any, Any] = super().construct_mapping(node, deep=deep)
        if len(mapping) != len(node.value):
            raise InputError("got a YAML key twice in one mapping, wanted it once")
        return mapping


def parse_yaml(text: str, where: str) -> Any:
    """The value of a YAML document, its scalars as texts.

    OpenCV's own spelling is read as well: its header is no YAML directive, and its tags are of no account.

    Raises:
        InputError: no YAML, too large, too deep, or with aliases.
    """
    _check_size(text, where)
    with naming(where):
        try:
            return yaml.load(_HEADER.sub("", text), Loader=_Loader)  # _Loader is a BaseLoader: it makes no objects
        except RecursionError as error:
            raise InputError("the YAML nests too deeply to be read") from error
        except (yaml.YAMLError, ValueError, TypeError) as error:
            raise InputError(f"not a YAML file: {' '.join(str(error).split())[:200]}") from error


def parse_xml(text: str, where: str) -> Any:
    """The value of an OpenCV XML storage, in the form that its YAML would have.

    Raises:
        InputError: no XML, too large, too deep, or with a document type, which bombs are made of.
    """
    _check_size(text, where)
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise InputError(f"{where}: got an XML document type, wanted OpenCV's plain <opencv_storage>")
    try:
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError) as error:
        raise InputError(f"{where}: not an XML file: {error}") from error
    if root.tag != "opencv_storage":
        raise InputError(f"{where}: got XML <{root.tag[:60]}>, wanted OpenCV's <opencv_storage>")
    return _value(root, where, 0)


def _value(element: ElementTree.Element, where: str, depth: int) -> Any:
    """A dict for an element with children, else the words of its text: one as a text, several as a list."""
    if depth > _MAX_XML_DEPTH:
        raise InputError(f"{where}: the XML nests too deeply to be read")
    if len(element):
        return {child.tag: _value(child, where, depth + 1) for child in element}
    words = (element.text or "").split()
    return words[0] if len(words) == 1 else words


def _check_size(text: str, where: str) -> None:
    if len(text) > MAX_CHARACTERS:
        raise InputError(f"{where}: got {len(text)} characters, wanted at most {MAX_CHARACTERS}; is it a camera file?")
