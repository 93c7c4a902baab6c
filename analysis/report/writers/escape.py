"""Names from outside (studies, arms, errors) as harmless text in Markdown and LaTeX. Jinja2 escapes HTML."""

from __future__ import annotations

import re
import unicodedata

_MARKDOWN = re.compile(r"([\\`*_\[\]#|<>~$&])")
_LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%",
    "_": r"\_", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}",
    ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\textquotedbl{}", "`": r"\textasciigrave{}",
    "'": r"\textquotesingle{}", "−": r"\ensuremath{-}", "–": "--", "—": "---", "±": r"\ensuremath{\pm}",
    "×": r"\ensuremath{\times}", "≈": r"\ensuremath{\approx}", "≤": r"\ensuremath{\leq}",
    "≥": r"\ensuremath{\geq}", "↑": r"\ensuremath{\uparrow}", "↓": r"\ensuremath{\downarrow}",
    "→": r"\ensuremath{\rightarrow}", "·": r"\ensuremath{\cdot}", "√": r"\ensuremath{\surd}",
    "²": r"\ensuremath{^2}", "…": r"\ldots{}", "½": r"\ensuremath{\frac12}", "∞": r"\ensuremath{\infty}",
    "[": "{[}", "]": "{]}", "-": "{-}",
}  # fmt: skip
_GREEK = (
    "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu", "nu", "xi",
    ".", "pi", "rho", ".", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega",
)  # fmt: skip
_CAPITALS = {"gamma", "delta", "theta", "lambda", "xi", "pi", "sigma", "upsilon", "phi", "psi", "omega"}
_LATEX |= {chr(0x3B1 + i): rf"\ensuremath{{\{n}}}" for i, n in enumerate(_GREEK) if n != "."}
_LATEX |= {chr(0x391 + i): rf"\ensuremath{{\{n.title()}}}" for i, n in enumerate(_GREEK) if n in _CAPITALS}


def one_line(text: str) -> str:
    """Text without line breaks and control characters."""
    kept = (" " if unicodedata.category(c) in ("Cc", "Zl", "Zp") else c for c in text)
    return " ".join("".join(kept).split())


def markdown(text: str) -> str:
    r"""Text that Markdown shows unchanged, also inside a table cell.

    >>> print(markdown("a_b | <script>"))
    a\_b \| \<script\>
    """
    return _MARKDOWN.sub(r"\\\1", one_line(text))


def latex(text: str) -> str:
    r"""Text that LaTeX sets unchanged; letters outside Latin-1 and Greek become `?`.

    >>> print(latex("50% of a_b & λ"))
    50\% of a\_b \& \ensuremath{\lambda}
    """
    return "".join(_latex_char(c) for c in one_line(text))


def _latex_char(char: str) -> str:
    if char in _LATEX:
        return _LATEX[char]
    return char if ord(char) < 0x180 else "?"


def csv_text(value: object) -> object:
    """A CSV field that a spreadsheet does not read as a formula."""
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@"):
        return f"'{value}"
    return value
