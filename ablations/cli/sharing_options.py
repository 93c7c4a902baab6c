"""Options of the subcommands that share results: merge, bundle, verify."""

from __future__ import annotations

import argparse


def merge_options(parser: argparse.ArgumentParser) -> None:
    """Options of `ablate merge`."""
    parser.add_argument("sources", nargs="+", metavar="DIR", help="results locations: folders or pyarrow.fs URIs")
    parser.add_argument(
        "--into", required=True, metavar="DIR", help="results location to write; may be one of the merged ones"
    )
    parser.add_argument("--study", metavar="NAME", help="merge this study only (default: all that are there)")
    parser.add_argument(
        "--extend",
        action="store_true",
        help="the plans may differ in their seeds although results could be seen; the report then gives no verdict",
    )
    parser.add_argument(
        "--allow-mixed-code",
        action="store_true",
        help="the records may be of different code; the report then gives no verdict",
    )


def bundle_options(parser: argparse.ArgumentParser) -> None:
    """Options of `ablate bundle` beside those that name and change the study."""
    parser.add_argument("--to", metavar="FILE", help="the zip file to write (default: STUDY.zip in this folder)")


def verify_options(parser: argparse.ArgumentParser) -> None:
    """Options of `ablate verify`."""
    parser.add_argument("file", metavar="FILE", help="a bundle, as `ablate bundle` writes it")
    parser.add_argument("--to", metavar="DIR", help="unpack it there, into a new or empty folder")
    parser.add_argument(
        "--rerun",
        metavar="TRIAL_ID",
        help="train this finished trial again and compare every number with its record; runs code: see --trust",
    )
    parser.add_argument(
        "--trust",
        action="store_true",
        help="with --rerun: run the study file and the plugins of the bundle; read them before",
    )
    parser.add_argument(
        "--study", metavar="STUDY", help="with --rerun: your own copy of the study, with the plugins installed here"
    )
