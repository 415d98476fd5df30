"""The pages of the report: templates filled, streamed to a file photo by photo."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2

from recon3d.show.report.wording import MEASURES, length, percent, source_of


def write_page(path: Path, template: str, values: Mapping[str, Any]) -> None:
    """Writes one self-contained HTML page.

    Args:
        path: of the file.
        template: a file of this folder.
        values: what it shows; iterators in it are drawn from as they are written. All text is escaped.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": percent, "metres": length, "source_of": source_of}
    environment.globals["measures"] = MEASURES
    with path.open("w", encoding="utf-8", errors="replace") as file:  # a file name may be no text
        file.writelines(environment.get_template(template).stream(values))
