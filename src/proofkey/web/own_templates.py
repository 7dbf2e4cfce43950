"""Pages that an embedding application writes itself: read and tried at the start, which tells what is wrong."""

from collections.abc import Iterator, Mapping, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Final

from jinja2 import (
    BaseLoader,
    ChoiceLoader,
    Environment,
    FileSystemLoader,
    PrefixLoader,
    StrictUndefined,
    TemplateError,
    TemplateSyntaxError,
    meta,
    nodes,
)

from proofkey.errors import ConfigurationError
from proofkey.findings import Finding

_HERE: Final = Path(__file__).parent / "templates"
_BASE: Final = "base"
_INERT_TAGS: Final = frozenset({"script", "style", "iframe", "object", "embed", "base"})
"""What the policy of the pages blocks; better told at the start than wondered about."""

Views = Mapping[str, Sequence[Mapping[str, Any]]]
"""By page, what it may be given: every variable stands in each of them."""


def build_environment(folder: Path | None = None) -> Environment:
    """Jinja2 with everything escaped and nothing undefined. A template of the folder stands before ours of that
    name, which stays at hand as `proofkey/NAME.html`; no filter or block of its own switches the escaping off."""
    ours = FileSystemLoader(_HERE)
    loader: BaseLoader = ours
    if folder is not None:
        loader = ChoiceLoader([FileSystemLoader(folder), ours, PrefixLoader({"proofkey": ours})])
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    if folder is not None:
        del environment.filters["safe"]
    return environment


def check_templates(
    folder: Path, environment: Environment, ours: Environment, shared: Mapping[str, Any], views: Views
) -> None:
    """Every file is a page, `base.html` or begins with `_`; it uses documented variables alone; and each page
    renders with the fields, buttons and links of ours.

    Raises: ConfigurationError.
    """
    if not folder.is_dir():
        raise _wrong(folder, reason="no such folder")
    common = {*shared, "page"}
    variables = {name: common.union(*found) for name, found in views.items()}
    variables[_BASE] = common
    any_of_them = common.union(*variables.values())
    for file in sorted(folder.glob("*.html")):
        if file.stem not in variables and not file.stem.startswith("_"):
            raise _wrong(file, reason=f"not one of {', '.join(sorted(variables))}, and no _part")
        _check_text(file, environment, variables.get(file.stem, any_of_them))
    for name, found in views.items():
        for view in found:
            _check_page(folder / f"{name}.html", environment, ours, {**shared, **view, "page": name})


def _check_text(file: Path, environment: Environment, allowed: set[str]) -> None:
    try:
        tree = environment.parse(file.read_text(encoding="utf-8"))
        environment.compile(tree)
    except TemplateSyntaxError as error:
        raise _wrong(file, line=str(error.lineno), reason=str(error.message)[:200]) from error
    except (TemplateError, ValueError, OSError) as error:
        raise _wrong(file, reason=type(error).__name__) from error
    if next(tree.find_all((nodes.ScopedEvalContextModifier, nodes.EvalContextModifier)), None) is not None:
        raise _wrong(file, reason="the escaping stays on: no autoescape block")
    unknown = sorted(meta.find_undeclared_variables(environment.parse(file.read_text(encoding="utf-8"))) - allowed)
    if unknown:
        raise _wrong(file, variable=unknown[0], reason=f"no such variable; there are {', '.join(sorted(allowed))}")


def _check_page(file: Path, environment: Environment, ours: Environment, view: Mapping[str, Any]) -> None:
    wanted = _Parts(ours.get_template(file.name).render(view))
    try:
        found = _Parts(environment.get_template(file.name).render(view))
    except TemplateError as error:
        raise _wrong(file, reason=str(error.message)[:200]) from error
    except Exception as error:
        raise _wrong(file, reason=type(error).__name__) from error
    missing = sorted(wanted.needed - found.needed)
    if missing:
        raise _wrong(file, reason=f"the page must have {missing[0]}, as ours has")
    inert = sorted(found.inert - wanted.inert)
    if inert:
        raise _wrong(file, reason=f"the policy of the pages blocks {inert[0]}")


class _Parts(HTMLParser):
    """What a page is good for: its name, forms, fields and links; and what the policy will block."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.needed: set[str] = set()
        self.inert: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.needed.update(_needed(tag, values))
        if tag in _INERT_TAGS:
            self.inert.add(f"<{tag}>")
        self.inert.update(f"the attribute {name}" for name in values if name == "style" or name.startswith("on"))


def _needed(tag: str, values: Mapping[str, str | None]) -> Iterator[str]:
    name, value = values.get("name"), values.get("value")
    if tag == "body":
        yield f'<body data-page="{values.get("data-page")}">'
    elif tag == "form":
        action = values.get("action")
        yield f'<form method="{values.get("method")}"' + (f' action="{action}">' if action else ">")
    elif tag == "button" or (tag == "input" and values.get("type") == "hidden"):
        if name:
            yield f'<{tag} name="{name}" value="{value}">'
    elif tag == "input":
        yield f'<input name="{name}">'
    elif tag == "a":
        yield f'<a href="{values.get("href")}">'


def _wrong(file: Path, **facts: str) -> ConfigurationError:
    return ConfigurationError(Finding.TEMPLATE_WRONG, file=str(file), **facts)
