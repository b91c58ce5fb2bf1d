"""lmmix convert."""

from __future__ import annotations

import os

import click

from lmmix.cli.common import (
    check_output,
    check_packing,
    json_option,
    load_ngram,
    model_tokenizer_option,
    packing_options,
    print_json,
    refuse_overwriting,
    save_model,
    threads_option,
    with_progress,
)

FST_SUFFIXES = (".fst.txt", ".fst.txt.gz", ".fst.txt.bz2", ".fst.txt.xz", ".fst.txt.zst")


@click.command()
@click.argument("source", metavar="IN")
@click.argument("target", metavar="OUT")
@click.option("--repair", is_flag=True, help="Mend a faulty ARPA file and say what was wrong, instead of stopping.")
@packing_options
@click.option(
    "--backoff-label", default="<eps>", show_default=True, metavar="SYMBOL", help="Label of back-off arcs (.fst.txt)."
)
@model_tokenizer_option
@threads_option
@json_option
@with_progress
def command(
    source: str,
    target: str,
    repair: bool,
    quantize: int | None,
    float32: bool,
    backoff_label: str,
    tokenizer: str | None,
    threads: int | None,
    as_json: bool,
) -> None:
    """Write the n-gram model IN as OUT: .lmx, ARPA, or OpenFst text (.fst.txt), the last two compressed by suffix.

    An .lmx file is exact unless --quantize or --float32 makes it small. OpenFst text gets a symbol table, OUT.syms.
    A network of llama2.c (IN is called .bin) becomes a folder; --tokenizer names the pieces that it was trained with.

    \b
    lmmix convert model.arpa.gz model.lmx
    lmmix convert model.arpa.gz small.lmx --quantize 8
    lmmix convert --repair strange.arpa clean.arpa
    lmmix convert model.lmx model.fst.txt --backoff-label '#0'
    lmmix convert stories.bin stories --tokenizer sentencepiece:stories.model
    """
    if _is_llama2c(source):
        _refuse(source, repair=repair, quantize=quantize, float32=float32)
        _convert_llama2c(source, target, tokenizer, as_json)
        return
    check_packing(target, quantize, float32)
    check_output(target, as_json)
    refuse_overwriting(target, (source,))
    if repair:
        from lmmix.ngram.arpa import read_arpa
        from lmmix.ngram.closure import with_suffixes

        model = with_suffixes(read_arpa(source, True, tokenizer or "whitespace", threads))
    else:
        model = load_ngram(source, tokenizer, threads)
    signature = model.signature
    if target.endswith(FST_SUFFIXES):
        from lmmix.ngram.fst_write import write_fst

        write_fst(model, target, backoff_label, threads)
    else:
        signature = save_model(model, target, quantize, float32, threads)
    if as_json:
        print_json({"ngrams": model.tree.counts(), "bytes": os.path.getsize(target), "signature": signature})


def _is_llama2c(source: str) -> bool:
    """Whether a file called .bin begins in binary; all other formats that come as files begin with letters."""
    from lmmix.fileio import explain_errors

    if not source.endswith(".bin"):
        return False
    with explain_errors(source, "read"), open(source, "rb") as stream:
        return b"\0" in stream.read(8)


def _refuse(source: str, **options: object) -> None:
    """Raise SettingError for options that are for n-gram models."""
    from lmmix.errors import SettingError

    for name, value in options.items():
        if value:
            raise SettingError(f"{source}: --{name} is for n-gram models, and this is a network")


def _convert_llama2c(source: str, target: str, tokenizer: str | None, as_json: bool) -> None:
    from lmmix.errors import SettingError
    from lmmix.fileio import check_folder_target
    from lmmix.lm import FOLDER_CONFIG
    from lmmix.neural.llama2c import read_llama2c

    if tokenizer is None:
        raise SettingError(
            f"{source}: a llama2.c model needs --tokenizer sentencepiece:MODEL, the one it was trained with"
        )
    check_folder_target(target, FOLDER_CONFIG)
    model = read_llama2c(source, tokenizer)
    model.save(target)
    if as_json:
        print_json({"words": len(model.vocab), "signature": model.signature})
