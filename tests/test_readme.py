"""Every fence of every page runs, with LangGraph and without, and the runner would notice one that does not."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support.fences import FenceError, Page, fences

ROOT = Path(__file__).parents[1]
GUIDE = sorted((ROOT / "migration_guide").glob("*.md"))
PAGES = ["README.md", *(path.relative_to(ROOT).as_posix() for path in GUIDE)]


@pytest.mark.slow
@pytest.mark.blocking  # a page calls what its reader would, in the loop it shows
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", PAGES)
def test_every_fence_of_a_page_runs(name: str, tmp_path: Path) -> None:
    """A reader who copies a page's fences one after the other sees what the page says."""
    path = ROOT / name
    assert path.is_file(), f"{name} is promised but is not there"
    assert Page(name=name, folder=tmp_path).run(path.read_text("utf-8")) > 0


def test_the_readme_is_short() -> None:
    """The README stays under 160 lines, so that it is read."""
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) < 160


def test_fences_share_one_namespace_and_may_await(tmp_path: Path) -> None:
    """Names of one fence are there in the next, annotations of classes resolve, `await` works."""
    text = """
```python
from __future__ import annotations
from typing import TypedDict, get_type_hints
class State(TypedDict):
    n: int
```
```python
import asyncio
await asyncio.sleep(0)
print(get_type_hints(State))
```
```text
{'n': <class 'int'>}
```
"""
    assert Page(name="page.md", folder=tmp_path).run(text) == 3


def test_commands_see_the_files_and_programs_of_the_page(tmp_path: Path) -> None:
    """A fence written to a file can be run by the next one, and its output is compared."""
    text = """
```python file=app.py
print("seen")
```
```console
$ python app.py
seen
$ make test
$ pip install "lcel-compat[cli]"
```
```bash
python -m app | grep \\
    seen
pip install lcel-compat
```
"""
    assert Page(name="page.md", folder=tmp_path).run(text) == 3


BROKEN = {
    "an exception": "```python\n1 / 0\n```",
    "a warning": "```python\nimport warnings\nwarnings.warn('old')\n```",
    "other output": "```python\nprint(1)\n```\n```text\n2\n```",
    "output of nothing": "```text\n2\n```",
    "a failing command": "```bash\nfalse\ntrue\n```",
    "a failing pipe": "```bash\nfalse | cat\n```",
    "other console output": "```console\n$ echo 1\n2\n```",
    "no prompt": "```console\necho 1\n```",
    "no such target": "```bash\nmake coffee\n```",
    "no such extra": "```bash\npip install 'lcel-compat[coffee]'\n```",
    "another distribution": "```bash\npip install lcel_compat\n```",
    "JSON that is none": "```json\n{,}\n```",
    "a language nobody runs": "```ruby\nputs 1\n```",
    "no language": "```\nanything\n```",
    "an empty reason": "<!-- skip: -->\n```python\n1 / 0\n```",
    "a comment further up": "<!-- skip: shown only -->\ntext\n```python\n1 / 0\n```",
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_fence_is_found(text: str, tmp_path: Path) -> None:
    """Whatever is wrong with a fence, the page fails and the message names page and line."""
    with pytest.raises(FenceError, match=r"page\.md:\d"):
        Page(name="page.md", folder=tmp_path).run(text)


def test_a_fence_may_need_langgraph(tmp_path: Path) -> None:
    """LangGraph's own code is run where it is installed, with its output, and left out elsewhere."""
    text = "```python langgraph\nprint('there')\n```\n```text langgraph\nthere\n```\n"
    installed = find_spec("langgraph.graph") is not None
    assert Page(name="page.md", folder=tmp_path).run(text) == (2 if installed else 0)


def test_a_fence_is_left_out_only_with_a_reason() -> None:
    """The comment just before a fence says why it is not run, and is kept with it."""
    found = fences("<!-- skip: needs a provider's key -->\n\n```python\n1 / 0\n```\n")
    assert [fence.skip for fence in found] == ["needs a provider's key"]
