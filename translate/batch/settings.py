"""What decides over the content of a result, and its hash."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

from translate.batch.naming import Format
from translate.errors import SettingsError
from translate.options import DEFAULTS, Options
from translate.translator import Translator

CONTENT_FORMAT = 16  # raised when the same settings would give another result


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How results are made and stored.

    Attributes:
        options: of the translation.
        file_format: see `translate.batch.naming`.
        quality: 1 to 100, of JPEG and WebP.
        keep_metadata: carry the source's EXIF over.
        max_size: photos whose long side has more pixels are scaled down to it; None is no limit.

    Raises:
        SettingsError: a value is out of range.
    """

    options: Options = DEFAULTS
    file_format: Format = "auto"
    quality: int = 95
    keep_metadata: bool = True
    max_size: int | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.quality <= 100:
            raise SettingsError(f"quality is {self.quality}; use a number from 1 to 100")
        if self.max_size is not None and self.max_size < 16:
            raise SettingsError(f"max_size is {self.max_size}; use 16 pixels or more")

    def digest(self, translator: Translator) -> str:
        """Hash of the settings, the domain and the dtype; neither device nor batch size count."""
        parts = {"framing", "network", "pgd", "calibration", "sha256"}
        parts |= {"face_margin", "face_centre", "face_corners", "face_drawn"}
        parts |= {"face_glasses", "face_relit", "face_skin"}
        domain = translator.domain.model_dump(mode="json", include=parts)
        table: dict[str, Any] = asdict(self)
        table |= {"domain": domain, "dtype": str(translator.dtype)}
        eyes = self.options.eye_size(translator.domain)
        del table["options"]["eyes"]
        if eyes > 1:  # else the hash stays what it was before eyes could be larger
            table["eyes"] = eyes
        closeup = translator.domain.closeup
        if closeup is not None:
            table["closeup"] = closeup.moves
        table["options"]["strength"] = self.options.how_far(translator.domain)
        del table["options"]["max_pixels"]  # decides over what is taken, not over what it becomes
        table["content_format"] = CONTENT_FORMAT
        text = json.dumps(table, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]
