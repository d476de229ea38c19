"""The comparison as JUnit XML: one test case per input and one per finding, which CI systems list."""

from __future__ import annotations

import re
from typing import Final
from xml.etree import ElementTree

from lcel_compat.compare import Comparison, Finding
from lcel_compat.events import to_json

_NO_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 has no way to write."""


def write(comparison: Comparison) -> str:
    """The XML document: a breaking finding is a failure, any other one passes and says so in its output."""
    breaking = sum(finding.severity == "breaking" for finding in comparison.findings)
    clean = [n for n in range(comparison.inputs) if all(finding.input != n for finding in comparison.findings)]
    tests = len(clean) + len(comparison.findings)
    suite = ElementTree.Element("testsuite", name="lcel-compat compare", tests=str(tests), failures=str(breaking))
    for number in clean:
        ElementTree.SubElement(suite, "testcase", classname=f"input {number}", name="same events")
    for finding in comparison.findings:
        _add(suite, finding)
    suites = ElementTree.Element("testsuites")
    suites.append(suite)
    ElementTree.indent(suites)
    return ElementTree.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def _add(suite: ElementTree.Element, finding: Finding) -> None:
    name = _clean(" ".join(filter(None, (finding.kind, finding.event, finding.where))))
    place = _clean(f"input {finding.input}: {'/'.join(finding.run)}")
    case = ElementTree.SubElement(suite, "testcase", classname=place, name=name)
    details = to_json({"before": finding.before, "after": finding.after, "who would notice": list(finding.readers)})
    if finding.severity == "breaking":
        failure = ElementTree.SubElement(case, "failure", type=finding.kind, message=_clean(finding.message))
        failure.text = _clean(details)
    else:
        output = ElementTree.SubElement(case, "system-out")
        output.text = _clean(f"{finding.severity}: {finding.message}\n{details}")


def _clean(text: str) -> str:
    return _NO_XML.sub("\ufffd", text)
