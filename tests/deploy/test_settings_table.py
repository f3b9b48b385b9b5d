"""docs/settings.md names every variable that the settings read, and no other, with the defaults of production."""

import ast
import math
import re
from collections.abc import Iterator

from tests.deploy.settings_variables import SOURCES, read_variables
from tests.stack import ROOT

ROW = re.compile(r"^\| ([^|]+) \| ([^|]+) \|", re.MULTILINE)
PRODUCTION = [path for path in SOURCES if path.name in ("production.py", "base.py", "gunicorn.py")]
UNITS = {"": 1, " MiB": 1024**2}


def _documented() -> list[tuple[str, bool, str]]:
    """(variable, needed in production, what the second column says of it) of each row."""
    found = []
    for names, defaults in ROW.findall((ROOT / "docs" / "settings.md").read_text()):
        row = re.findall(r"`([A-Z][A-Z0-9_]+)`", names)
        said = defaults.split(", ")
        told = said if len(said) == len(row) else [defaults] * len(row)
        found += [(name, f"**`{name}`**" in names, default) for name, default in zip(row, told, strict=True)]
    return found


def _defaults() -> Iterator[tuple[str, object]]:
    """(variable, default) of those that are written down as they are, not computed."""
    for path in PRODUCTION:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[0] == "env":
                given = [keyword.value for keyword in node.keywords if keyword.arg == "default"]
                for value in filter(_is_plain, given):
                    yield ast.literal_eval(node.args[0]), _value(value)


def _is_plain(node: ast.expr) -> bool:
    return not any(isinstance(part, ast.Name | ast.Call | ast.JoinedStr) for part in ast.walk(node))


def _value(node: ast.expr) -> object:
    if isinstance(node, ast.BinOp):  # 15 * 1024 * 1024
        return math.prod(part.value for part in ast.walk(node) if isinstance(part, ast.Constant))
    return ast.literal_eval(node)


def _says(text: str, default: object) -> bool:
    """Whether this is how the page tells the default. Empty ones are told in words."""
    plain = text.strip("`“”")
    if isinstance(default, bool):
        return plain == str(default).lower()
    if isinstance(default, int):
        number = re.match(r"([\d,]+)( MiB)?", plain)
        return bool(number) and int(number[1].replace(",", "")) * UNITS[number[2] or ""] == default
    if isinstance(default, float):
        return plain == str(default)
    if isinstance(default, list) and default:
        return plain == ",".join(default)
    return plain == default or (not default and text.startswith(("none", "empty", "as above", "–")))


def test_the_search_finds_variables_of_each_kind():
    assert {"SECRET_KEY", "DATABASE_URL", "WEB_THREADS", "EMAIL_URL", "USE_S3"} <= read_variables().keys()


def test_every_variable_is_in_the_table_once_and_no_other_is():
    assert sorted(name for name, _needed, _default in _documented()) == sorted(read_variables())


def test_those_without_a_default_in_production_are_marked():
    text = "".join(path.read_text() for path in PRODUCTION)
    without = set(re.findall(r'\benv(?:\.list|\.db_url)?\("([A-Z_]+)"\)', text)) - {"STATIC_DOMAIN"}
    assert {name for name, needed, _default in _documented() if needed} == without


def test_defaults_are_those_of_the_code():
    told = {name: default for name, _needed, default in _documented()}
    in_words = {"EMAIL_URL", *(name for name in told if name.startswith("PRICE_"))}
    defaults = dict(_defaults())
    assert len(defaults) > 45
    wrong = {
        name: (told[name], default)
        for name, default in defaults.items()
        if name not in in_words and not _says(told[name], default)
    }
    assert not wrong
