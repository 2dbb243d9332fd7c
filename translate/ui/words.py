"""What happened, in plain words."""

from __future__ import annotations

from html import escape

from translate.domain import Domain
from translate.score import Score
from translate.ui.walks import Walk

BUSY = "The server is busy or cannot be reached; try again in a moment."


def number(value: float) -> str:
    """Two decimals and a true minus sign."""
    return f"{value:.2f}".replace("-", "−")


def story(walk: Walk, index: int) -> str:
    """A few sentences about the state that is shown."""
    domain, first, now = walk.domain, walk.energies[0], walk.energies[index]
    target = domain.calibration.target
    parts: list[str] = []
    if walk.stopped and index == walk.last:
        parts.append(f"Stopped at step {index}.")
    note, faces = walk.note(index), sum(w.face is not None for w in walk.windows)
    if note:
        parts.append(note)
    elif faces:
        parts.append("A face was found." if faces == 1 else f"{faces} faces were found.")
    if index == 0:
        parts.append(f"This is the photo itself, energy {number(first)}.")
    else:
        verb = "fell" if now < first else "went"
        parts.append(
            f"In {index} small {'step' if index == 1 else 'steps'} the energy {verb} from "
            f"{number(first)} to {number(now)}. Lower means more like the domain {domain.title}, "
            f"whose typical pictures have {number(target)}."
        )
    if first <= target:
        parts.append("This photo was already in the domain before the first step.")
    elif index == walk.last and index > 0 and first - now < domain.calibration.hardly:
        parts.append("That is hardly a change: try a higher strength or another framing.")
    elif now <= target and index > 0:
        parts.append("So to the model it is there now.")
    return " ".join(parts)


def verdict(domain: Domain, score: Score) -> str:
    """Where an image stands between photos and the domain."""
    target, median = domain.calibration.target, domain.calibration.source[10]
    way = (median - score.energy) / ((median - target) or 1.0)
    if score.energy <= target:
        place = "It lies where typical pictures of this domain lie, or beyond."
    elif way <= 0:
        place = "It is further away than a typical photo."
    else:
        place = f"It lies {min(way, 1):.0%} of the way from typical photos to this domain."
    if score.percentile < 0.5:
        rank = "To the model none of the domain's own pictures is so unlike it."
    else:
        rank = (
            f"To the model it looks more like the domain {domain.title} than "
            f"{score.percentile:.0f} % of the domain's own pictures."
        )
    return f"Energy {number(score.energy)}. {place} {rank}"


def empty(words: str) -> str:
    """Where something will appear, in HTML."""
    return f'<div class="stage empty"><p>{escape(words)}</p></div>'


def failures(lines: list[str]) -> str:
    """A list in HTML of what went wrong, one line each."""
    return '<ul class="failures">' + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>"
