"""The exception tree. Every message says what is wrong, where, and how to mend it.

TranslateError
├── InputError       an image or a file that cannot be read or written
├── SettingsError    a setting out of range
├── DomainError      a domain that is unknown, incomplete or damaged
├── DeviceError      a device or dtype that this machine does not have
└── TrainingError    training data, a recipe or a run that cannot go on
"""


class TranslateError(Exception):
    """Base of all errors this package raises for a caller's mistake."""


class InputError(TranslateError):
    """An image or a file that cannot be read or written."""


class SettingsError(TranslateError):
    """A setting out of range."""


class DomainError(TranslateError):
    """A domain that is unknown, incomplete or damaged."""


class DeviceError(TranslateError):
    """A device or dtype that this machine does not have."""


class TrainingError(TranslateError):
    """Training data, a recipe or a run that cannot go on."""
