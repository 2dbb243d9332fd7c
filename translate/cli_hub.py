"""The commands `domains` and `push`: flags, words, exit codes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from translate.console import Offline, Revision, printable, say

if TYPE_CHECKING:
    from translate.domain import Domain
    from translate.hub.address import Address


class _NameOrCommand(TyperGroup):
    """`domains NAME` is `domains show NAME`."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401
        known = self.get_command(ctx, args[0]) is not None
        return super().resolve_command(ctx, args if known else ["show", *args])


domains_app = typer.Typer(
    cls=_NameOrCommand,
    invoke_without_command=True,
    subcommand_metavar="[NAME | COMMAND ...]",
    rich_markup_mode=None,
)
Name = Annotated[str, typer.Argument(help="org/repo[@revision].")]


@domains_app.callback()
def domains(
    ctx: typer.Context,
    remote: Annotated[
        str | None, typer.Option(metavar="QUERY", help="Search the Hub for domains.")
    ] = None,
) -> None:
    """List the domains here, explain one (NAME), or search the Hub."""
    if ctx.invoked_subcommand is not None:
        return
    if remote is not None:
        _search(remote)
        return
    from translate.domain import read_domain
    from translate.hub import bundled_domains, find_domain
    from translate.hub.cache import cached_domains

    for known in bundled_domains():
        _list(known, read_domain(find_domain(known)))
    for address, domain in cached_domains():
        _list(str(address), domain)


@domains_app.command("show", hidden=True)
def show(
    name: Annotated[str, typer.Argument(help="Bundled name, folder or org/repo[@revision].")],
    revision: Revision = None,
    offline: Offline = False,
) -> None:
    """Explain one domain."""
    from translate.domain import one_line
    from translate.hub import open_domain

    domain, weights = open_domain(fetched(name, revision, offline))
    calibration, network = domain.calibration, domain.network
    extent = network.extent.rstrip(",").replace("million", "M")
    lines = [
        f"{domain.title} ({domain.name}), {weights.parent}",
        domain.summary,
        f"network   {network.size} px, {extent}",
        f"framing   {domain.framing}",
        f"strength  1.0 is {domain.pgd.in_words}{'; auto by default' if domain.auto else ''}",
        f"energy    photos {calibration.source[10]:.2f}, target {calibration.target:.2f} (medians)",
    ]
    if domain.closeup is not None and network.closeup is not None:
        eyes = network.closeup
        small = eyes.extent.replace("million", "M")
        lines.append(f"eyes      {eyes.size} px, {small}, {domain.closeup.pgd.in_words}")
    for role, sets in (("p_data", domain.p_data), ("p_0", domain.p_0)):
        lines += [f"{role:9} {images.name}: {images.terms}" for images in sets]
    lines.append(f"licence   {domain.licence}")
    print("\n".join(map(one_line, lines)))


@domains_app.command()
def download(name: Name, revision: Revision = None) -> None:
    """Fetch a domain from the Hub, for use without a network."""
    from translate.hub import open_domain

    folder = fetched(str(_hub(name, revision)), None, False)
    open_domain(folder)
    print(printable(folder))


@domains_app.command()
def remove(name: Name, revision: Revision = None) -> None:
    """Delete a domain from the Hub's cache on this machine."""
    from translate.hub.cache import remove as run

    address = _hub(name, revision)
    print(f"{address}: {run(address) / 1e6:.1f} MB freed")


def push(
    name: Annotated[str, typer.Argument(metavar="DOMAIN", help="Folder, e.g. weights/NAME.")],
    repo: Annotated[str, typer.Argument(metavar="REPO", help="org/repo on the Hub.")],
    private: Annotated[
        bool | None, typer.Option("--private/--public", help="Of a new repository.")
    ] = None,
    revision: Annotated[str | None, typer.Option(help="Branch; default: main.")] = None,
) -> None:
    """Publish a domain on the Hub: weights, card, page and samples in one commit."""
    from huggingface_hub.utils import disable_progress_bars

    from translate.publish import publish

    if not sys.stderr.isatty():
        disable_progress_bars()
    commit, strip = publish(name, repo, private=private, revision=revision)
    if not strip:
        say("note: no sample strip; the example photos are in a checkout only")
    print(commit)


def fetched(name: str, revision: str | None, offline: bool) -> str:
    """Folder of a domain, downloaded with a bar on a terminal."""
    from translate.hub import find_domain

    progress = sys.stderr.isatty()
    return str(find_domain(name, revision=revision, offline=offline, progress=progress))


def _hub(name: str, revision: str | None) -> Address:
    from translate.errors import DomainError
    from translate.hub.address import parse_address

    address = parse_address(name, revision)
    if address is None:
        raise DomainError(f"{name!r} is no domain from the Hub; use org/repo")
    return address


def _list(name: str, domain: Domain) -> None:
    from translate.domain import one_line

    print(one_line(f"{name:12} {domain.network.size} px, {domain.framing:6} {domain.summary}"))


def _search(query: str) -> None:
    from translate.domain import one_line
    from translate.hub.remote import search

    found = False
    for name, words in search(query):
        found = True
        print(one_line(f"{name:40} {words}"))
    if not found:
        say(f"no domain on the Hub for {query!r}; try fewer letters")
