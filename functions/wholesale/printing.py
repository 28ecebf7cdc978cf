"""An invoice as a PDF (ISO 32000) for printers and accountants, on one or more pages of US Letter format."""

from collections.abc import Sequence
from functools import cache
from io import BytesIO
from pathlib import Path
from xml.sax.saxutils import escape

import reportlab
from reportlab.lib import colors, pagesizes, units
from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import Flowable, Paragraph, SimpleDocTemplate, Spacer, Table

from functions.wholesale.documents import Billed, sums

FONT, BOLD = "Vera", "VeraBd"
PLAIN = ParagraphStyle("plain", fontName=FONT, fontSize=9, leading=13)
HEADING = ParagraphStyle("heading", fontName=BOLD, fontSize=18, leading=24)
MARGIN = 0.7 * units.inch
TOP = ("VALIGN", (0, 0), (-1, -1), "TOP")
FLUSH = ("LEFTPADDING", (0, 0), (0, -1), 0)
SMALL = ("FONT", (0, 0), (-1, -1), FONT, 9)


def pdf(billed: Billed) -> bytes:
    """The invoice. The same invoice gives the same bytes; letters that the font lacks are shown as boxes."""
    _register_fonts()
    found = billed.invoice
    dates = _lines(
        [
            f"Order {billed.order_number}",
            f"Issued {found.issued_at:%Y-%m-%d}",
            f"Due {found.due_at:%Y-%m-%d %H:%M} UTC",
        ]
    )
    head = Table([[_lines(billed.sender), dates]], colWidths=[3.5 * units.inch] * 2, hAlign="LEFT", style=[TOP, FLUSH])
    gap = Spacer(1, 0.25 * units.inch)
    parts = [head, _lines(billed.recipient), _goods(billed), _total(billed), _lines(billed.payment)]
    file = BytesIO()
    document = SimpleDocTemplate(
        file,
        pagesize=pagesizes.LETTER,
        leftMargin=MARGIN,
        rightMargin=MARGIN,
        title=f"Invoice {found.number}",
        author="BlakJaks",
        invariant=True,
    )
    heading = Paragraph(f"Invoice {escape(found.number)}", HEADING)
    document.build([heading, *(piece for part in parts for piece in (gap, part))])
    return file.getvalue()


def _goods(billed: Billed) -> Flowable:
    rows = [
        [str(line.quantity), _lines([f"{line.product_name} ({line.sku})"]), str(line.unit_price), str(line.line_total)]
        for line in billed.lines
    ]
    return Table(
        [["Tins", "Product", "Price", "Amount"], *rows],
        colWidths=[0.8 * units.inch, 3.9 * units.inch, 1 * units.inch, 1.3 * units.inch],
        repeatRows=1,
        hAlign="LEFT",
        style=[
            SMALL,
            FLUSH,
            ("FONT", (0, 0), (-1, 0), BOLD, 9),
            ("ALIGN", (2, 0), (-1, -1), "RIGHT"),
            ("LINEBELOW", (0, 0), (-1, -1), 0.4, colors.lightgrey),
            TOP,
        ],
    )


def _total(billed: Billed) -> Flowable:
    return Table(
        [[label, str(amount)] for label, amount in sums(billed)],
        colWidths=[5.7 * units.inch, 1.3 * units.inch],
        hAlign="LEFT",
        style=[SMALL, FLUSH, ("FONT", (0, -1), (-1, -1), BOLD, 9), ("ALIGN", (1, 0), (1, -1), "RIGHT")],
    )


def _lines(texts: Sequence[str]) -> Flowable:
    return Paragraph("<br/>".join(escape(text) for text in texts), PLAIN)


@cache
def _register_fonts() -> None:
    """Make the fonts known that come with the library."""
    folder = Path(reportlab.__file__).parent / "fonts"
    for name in (FONT, BOLD):
        pdfmetrics.registerFont(TTFont(name, folder / f"{name}.ttf"))
