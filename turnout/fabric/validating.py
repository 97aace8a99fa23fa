"""Great Expectations in a process of its own: `python -m turnout.fabric.validating`, a request a line.

It takes seconds of processor time and 300 MB to load, which no flow has to pay: `turnout.fabric.validator`
starts this one at a low priority while a phase waits for its data anyway, and asks it. It ends with its
standard input. Nothing is sent anywhere.
"""

import contextlib
import os
import sys
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from turnout.fabric import validating_findings
from turnout.fabric.validating_findings import WrongError
from turnout.fabric.validating_request import Answer, Finding, Held, Request

PRIORITY = 10
"""Niceness: clients' traffic, servers and the sentinel come first."""
_SITE = "turnout"
_SHAPE = {
    "result_format": "COMPLETE",
    "unexpected_index_column_names": ["row"],
    "partial_unexpected_count": validating_findings.SHOWN_ROWS,
}


def main() -> None:
    """Answer requests until standard input ends."""
    os.nice(PRIORITY)
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    warnings.simplefilter("ignore")
    with _own_output() as output:
        import great_expectations  # noqa: F401, PLC0415 -- what takes long, before the first request comes

        for line in sys.stdin:
            output.write(_answered(Request.model_validate_json(line)).model_dump_json() + "\n")
            output.flush()


@contextlib.contextmanager
def _own_output() -> Iterator[Any]:
    """Standard output for the answers alone: what libraries print goes to standard error."""
    with os.fdopen(os.dup(1), "w") as output:
        os.dup2(2, 1)
        yield output


def _answered(request: Request) -> Answer:
    try:
        return Answer(findings=tuple(_validated(request)))
    except WrongError as error:
        return Answer(wrong=error.wrong)


def _validated(request: Request) -> Iterator[Finding]:
    session = _Session(request)
    for held in request.held:
        suite = _suite(held)  # also of an empty table: a wrong expectation is told as early as possible
        if held.rows:
            yield session.run(held, suite)
        else:
            yield Finding(table=held.table, unmet={0: validating_findings.nothing("no rows")})


class _Session:
    """A context in memory; where pages are wanted, the results are kept: pages tell of earlier runs too."""

    def __init__(self, request: Request) -> None:
        import great_expectations as gx  # noqa: PLC0415 -- loaded by now

        self._request = request
        self._context: Any = gx.get_context(mode="ephemeral", project_config=_project(request))
        variables: Any = self._context.variables
        variables.progress_bars = {"globally": False}
        self._source = self._context.data_sources.add_pandas("evidence")

    def run(self, held: Held, suite: Any) -> Finding:
        """Hold one table against its suite."""
        from great_expectations.exceptions.exceptions import SuiteParameterError  # noqa: PLC0415

        frame = _frame(held)
        asset = self._source.add_dataframe_asset(held.table)
        definition = asset.add_batch_definition_whole_dataframe(self._request.model)
        batch, parameters = definition.get_batch({"dataframe": frame}), dict(self._request.parameters)
        try:
            found = batch.validate(suite, expectation_parameters=parameters, result_format=_SHAPE)
        except SuiteParameterError as error:
            raise WrongError(held.table, _using(held, parameters), _why(error)) from error
        except Exception as error:  # its library has no one type for what it stumbles over
            raise WrongError(held.table, None, _why(error)) from error
        unmet = dict(validating_findings.unmet(held.table, frame, found.results))
        return Finding(table=held.table, unmet=unmet, page=self._page(held.table, definition, suite, frame))

    def _page(self, table: str, definition: Any, suite: Any, frame: Any) -> str | None:
        """Write the pages of a result and of its suite; its path, or None where it could not be written.

        Pages are for people. What was found counts without them, and some results Great Expectations itself
        cannot write (those of its quantiles).
        """
        if self._request.docs is None:
            return None
        try:
            return self._written(table, definition, suite, frame)
        except Exception as error:  # noqa: BLE001 -- a full disk, or what its library cannot write
            print(f"no page of {table}: {_why(error)}", file=sys.stderr)  # noqa: T201 -- its log
            return None

    def _written(self, table: str, definition: Any, suite: Any, frame: Any) -> str:
        from great_expectations.data_context.types.resource_identifiers import (  # noqa: PLC0415
            ExpectationSuiteIdentifier,
        )

        ran = self._checkpoint(table, definition, suite).run(
            batch_parameters={"dataframe": frame},
            run_id=self._run_id(),
            expectation_parameters=dict(self._request.parameters),
        )
        (identifier,) = ran.run_results
        both = [identifier, ExpectationSuiteIdentifier(name=table)]
        self._context.build_data_docs(site_names=[_SITE], resource_identifiers=both)
        sites = self._context.get_docs_sites_urls(resource_identifier=identifier, site_names=[_SITE])
        return unquote(str(sites[0]["site_url"]).removeprefix("file://"))

    def _checkpoint(self, table: str, definition: Any, suite: Any) -> Any:
        import great_expectations as gx  # noqa: PLC0415

        kept = self._context.suites.add(suite)
        validation = gx.ValidationDefinition(name=table, data=definition, suite=kept)
        known = self._context.validation_definitions.add(validation)
        checkpoint = gx.Checkpoint(name=table, validation_definitions=[known], result_format=_SHAPE)
        return self._context.checkpoints.add(checkpoint)

    def _run_id(self) -> Any:
        from great_expectations.core.run_identifier import RunIdentifier  # noqa: PLC0415

        return RunIdentifier(run_name=self._request.docs.run if self._request.docs else "")


def _project(request: Request) -> Any:
    from great_expectations.data_context.types.base import (  # noqa: PLC0415
        DataContextConfig,
        InMemoryStoreBackendDefaults,
    )

    backend = InMemoryStoreBackendDefaults()
    if request.docs is not None:
        results = backend.stores[backend.validation_results_store_name]
        results["store_backend"] = _folder(request.docs.kept)
        backend.data_docs_sites[_SITE] = {
            "class_name": "SiteBuilder",
            "show_how_to_buttons": False,
            "store_backend": _folder(request.docs.site),
            "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
        }
    return DataContextConfig(store_backend_defaults=backend, analytics_enabled=False)


def _folder(path: str) -> dict[str, str]:
    Path(path).mkdir(parents=True, exist_ok=True)
    return {"class_name": "TupleFilesystemStoreBackend", "base_directory": path}


def _suite(held: Held) -> Any:
    import great_expectations as gx  # noqa: PLC0415
    from great_expectations.expectations.expectation_configuration import (  # noqa: PLC0415
        ExpectationConfiguration,
    )

    suite = gx.ExpectationSuite(name=held.table)
    for index, one in enumerate(held.expectations):
        for column in _columns(one["kwargs"]):
            if column not in held.columns:
                known = ", ".join(held.columns)
                raise WrongError(held.table, index, f"the column {column!r}, which is none of {known}")
        configuration = ExpectationConfiguration(
            type=one["type"], kwargs=one["kwargs"], meta={"index": index}, notes=one.get("notes") or None
        )
        try:
            suite.add_expectation_configuration(configuration)
        except Exception as error:  # its library has no one type for what it refuses
            raise WrongError(held.table, index, _why(error)) from error
    return suite


def _columns(kwargs: Mapping[str, Any]) -> Iterator[str]:
    for name in validating_findings.COLUMNS:
        value = kwargs.get(name, ())
        yield from (value,) if isinstance(value, str) else value


def _why(error: Exception) -> str:
    """What a library's error says, in one line: of a list of problems, which value and why."""
    problems = error.errors() if hasattr(error, "errors") else None
    if problems:
        first = problems[0]
        return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
    return " ".join(str(error).split())[: validating_findings.EXCERPT]


def _frame(held: Held) -> Any:
    import pandas as pd  # noqa: PLC0415

    frame = pd.DataFrame(held.rows, columns=list(held.columns))
    for column in frame.columns:
        if frame[column].isna().all():
            frame[column] = frame[column].astype(
                float
            )  # nothing there: else no number can be held against it
    return frame


def _using(held: Held, parameters: Mapping[str, float]) -> int:
    """The first expectation that names a parameter which there is not."""
    for index, one in enumerate(held.expectations):
        named = [v["$PARAMETER"] for v in one["kwargs"].values() if isinstance(v, dict) and "$PARAMETER" in v]
        if any(name not in parameters for name in named):
            return index
    return 0


if __name__ == "__main__":
    main()
