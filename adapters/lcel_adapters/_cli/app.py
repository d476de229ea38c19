"""The commands of `lcel-compat`: what each takes, and what does it.

What a command needs is imported when it runs, so that `--help` and `--version` answer at once.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Literal

import typer

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_CODES = "Exit codes: 0 all went well, 1 the run failed, 2 it could not be run."


def _print_version(asked: bool) -> None:
    if asked:
        try:
            typer.echo(f"lcel-compat {version('lcel-compat')}")
        except PackageNotFoundError:
            typer.echo("lcel-compat (not installed, run from its source)")
        raise typer.Exit


@app.callback(epilog=f"Try [bold]lcel-compat demo[/bold] first. {_CODES}")
def root(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Move LCEL chains to graph execution, with the events their consumers read."""


@app.command(epilog='Example: lcel-compat demo --question "How do I get a refund?"')
def demo(
    question: Annotated[str | None, typer.Option(help="What to ask the desk, instead of the sample question.")] = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="MODULE:OBJECT",
            help="A chat model of any provider, or what makes one without arguments; else $LCEL_COMPAT_MODEL, or"
            " the desk's own, which needs no network.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Everything as JSON lines.")] = False,
    delay: Annotated[
        float | None, typer.Option(min=0, max=1, help="Seconds per token of the desk's own model.", metavar="SECONDS")
    ] = None,
) -> None:
    """Run a support desk as the LCEL chain it was, then as a graph, and compare what its listeners get."""
    from lcel_adapters._cli._console import make_console, outcome
    from lcel_adapters._cli._demo import Options, run_demo

    with outcome():
        run_demo(Options(question=question, model=model, json=as_json, delay=delay), make_console())


@app.command(
    epilog="Example: lcel-compat stream lcel_adapters.desk:step_graph --input"
    """ '{"question": "Where is my invoice?"}' --mode updates --mode messages. """ + _CODES
)
def stream(
    graph: Annotated[
        str,
        typer.Argument(
            metavar="MODULE:GRAPH",
            help="The graph (of this project or LangGraph's) or runnable, or what makes it; FILE.py:GRAPH also works.",
        ),
    ],
    input: Annotated[
        str, typer.Option("--input", "-i", metavar="JSON|@FILE|-", help="What it is given; - reads standard input.")
    ],
    mode: Annotated[
        list[str] | None,
        typer.Option(
            "--mode",
            "-m",
            metavar="MODE",
            help="values, updates, custom, messages, tasks, debug or events; again for more, from the same run."
            " Without it updates, or a plain runnable's chunks.",
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help='JSON lines: {"mode": ..., "item": ...}, one for each item, as it comes.')
    ] = False,
    config: Annotated[
        str | None, typer.Option(metavar="JSON|@FILE", help="The run's configuration: tags, configurable, ...")
    ] = None,
    sync: Annotated[bool, typer.Option("--sync", help="Run without an event loop.")] = False,
) -> None:
    """Stream a graph, or any runnable, in one mode or several at once."""
    from lcel_adapters._cli import _load, _show, _stream
    from lcel_adapters._cli._console import make_console, outcome

    with outcome():
        target = _load.load_runnable(graph)
        value, settings = _load.read_json(input, option="--input"), _load.read_config(config)
        plan = _stream.make_plan(target, mode or [], value, settings, sync=sync)
        if as_json:
            _stream.run(plan, _show.write_json)
        else:
            _show.show(plan, make_console())


@app.command(
    epilog="Example: lcel-compat compare my_app:chain my_app:graph --inputs questions.jsonl --report html:report.html."
    " Exit codes: 0 same, or changed in nothing that breaks; 1 breaking; 2 it could not be compared."
)
def compare(
    old: Annotated[str, typer.Argument(metavar="OLD", help="MODULE:OBJECT or FILE.py:OBJECT, or a recording's path.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="What is to take its place; named in the same way.")],
    inputs: Annotated[
        str | None,
        typer.Option(metavar="FILE.jsonl|-", help="One input per line, as JSON. Recordings hold theirs."),
    ] = None,
    contract: Annotated[
        str | None, typer.Option(metavar="FILE", help="What the consumers read (YAML): only that can be breaking.")
    ] = None,
    cassette: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Answers of models and tools: recorded the first time, then played to both."),
    ] = None,
    repeats: Annotated[
        int, typer.Option(min=0, max=100, help="How often OLD runs again: what it does not repeat is noise.")
    ] = 2,
    report: Annotated[
        list[str] | None,
        typer.Option(metavar="KIND[:PATH]", help="html, json, junit or github, again for more; without PATH printed."),
    ] = None,
    fail_on: Annotated[
        Literal["breaking", "changed"], typer.Option(help="The least verdict that ends with exit code 1.")
    ] = "breaking",
    events: Annotated[Literal["v1", "v2"], typer.Option(help="Which version of events to compare.")] = "v2",
) -> None:
    """Say whether a listener would notice that NEW stands where OLD stood, and where."""
    from lcel_adapters._cli._compare import Options, run_compare
    from lcel_adapters._cli._console import make_console, outcome

    with outcome():
        options = Options(
            old=old,
            new=new,
            inputs=inputs,
            contract=contract,
            cassette=cassette,
            repeats=repeats,
            reports=report or [],
            fail_on=fail_on,
            version=events,
        )
        raise typer.Exit(run_compare(options, make_console()))


@app.command(
    epilog="Example: lcel-compat record lcel_adapters.desk:chain --inputs questions.jsonl -o before.jsonl.zst. "
    + _CODES
)
def record(
    target: Annotated[
        str,
        typer.Argument(
            metavar="MODULE:RUNNABLE|URL",
            help="A chain or graph, or what makes it; the address of a LangServe route; with --assistant that of an"
            " Agent Server.",
        ),
    ],
    inputs: Annotated[
        str, typer.Option("--inputs", metavar="FILE.jsonl|-", help="What it is given, one JSON value on each line.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="What to write; compressed if it ends in .zst.")
    ],
    append: Annotated[bool, typer.Option("--append", help="Add to the file instead of beginning it anew.")] = False,
    config: Annotated[
        str | None, typer.Option(metavar="JSON|@FILE", help="The runs' configuration: tags, configurable, ...")
    ] = None,
    events: Annotated[str, typer.Option(metavar="v1|v2", help="The version of a runnable's events.")] = "v2",
    assistant: Annotated[
        str | None, typer.Option(metavar="NAME", help="Which assistant of an Agent Server to run.")
    ] = None,
    header: Annotated[
        list[str] | None, typer.Option(metavar="'NAME: VALUE'", help="Sent to the server, never written; repeatable.")
    ] = None,
    keep_secrets: Annotated[
        bool, typer.Option("--keep-secrets", help="Write keys, tokens and passwords as they are.")
    ] = False,
) -> None:
    """Record the events of a runnable or of a server, to be compared later."""
    from lcel_adapters._cli import _load, _record
    from lcel_adapters._cli._console import RUN_FAILED, make_console, outcome

    with outcome():
        source = _record.make_source(target, _load.read_config(config), events, assistant, header or [])
        job = _record.Job(
            source=source, inputs=_record.read_inputs(inputs), path=output, append=append, redact=not keep_secrets
        )
        tally = _record.run(job)
        make_console().print(_record.summary(job, tally))
        if tally.failed:
            raise typer.Exit(RUN_FAILED)


@app.command(epilog="Example: lcel-compat eject my_app:chain -o my_graph.py")
def eject(
    chain: Annotated[
        str, typer.Argument(metavar="MODULE:CHAIN", help="The chain, or what makes it; FILE.py:CHAIN also works.")
    ],
    depth: Annotated[
        int | None, typer.Option(min=0, help="How many levels of the chain's structure become graph; all, if not said.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE.py", help="A new file; else standard output.")
    ] = None,
) -> None:
    """Write the Python source of the graph that a chain becomes, to be edited from there."""
    from lcel_adapters._cli import eject as ejected
    from lcel_adapters._cli._console import outcome

    with outcome():
        ejected.write(ejected.eject(chain, depth=depth), output)


@app.command(
    epilog="Example: lcel-compat serve desk=lcel_adapters.desk:step_graph. Without graphs, ./langgraph.json names them."
    " Exit codes: 0 it was told to end, 1 it failed, 2 it could not be started."
)
def serve(
    graphs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME=MODULE:OBJECT",
            help="Graphs (of this project or LangGraph's), runnables, or what makes them; FILE.py:OBJECT also works.",
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A langgraph.json; the one of this folder, if no graph is named."),
    ] = None,
    host: Annotated[str, typer.Option(help="Where to listen; beyond this machine only with authentication.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes any that is free.")] = 2024,
    database: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="sqlite:///FILE.db, or postgresql://USER:PASSWORD@HOST/NAME, which several servers may share.",
        ),
    ] = None,
    api_key: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY",
            help="Without it nobody is let in; again for more. Better in $LCEL_COMPAT_API_KEYS, with commas between:"
            " arguments can be seen by others.",
        ),
    ] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Listen beyond this machine, and let everyone in.")
    ] = False,
    cors_origin: Annotated[
        list[str] | None,
        typer.Option(metavar="ORIGIN", help="Of web pages that may read answers; again for more, * for all."),
    ] = None,
    setting: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Of its limits and intervals, in seconds and bytes; again for more: heartbeat, stall, max_body,"
            " max_depth, max_streams, max_runs, run_timeout, drain, poll, worker_timeout, max_attempts, keep_frames,"
            " webhook_hosts (with commas between).",
        ),
    ] = None,
    log_level: Annotated[
        Literal["critical", "error", "warning", "info", "debug"], typer.Option(help="The least that is logged.")
    ] = "info",
    log_format: Annotated[
        Literal["text", "json"], typer.Option(help="For people, or one JSON object on each line.")
    ] = "text",
) -> None:
    """Serve graphs and runnables over HTTP, to the clients of LangGraph's Agent Server and of LangServe."""
    from lcel_adapters._cli._console import outcome
    from lcel_adapters._cli._serve import Options, run_serve

    with outcome():
        run_serve(
            Options(
                graphs=graphs or [],
                config=config,
                host=host,
                port=port,
                database=database,
                api_keys=api_key,
                insecure=insecure,
                origins=cors_origin or [],
                settings=setting or [],
                log_level=log_level,
                log_format=log_format,
            )
        )
