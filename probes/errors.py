"""The errors a user can meet, one class per kind of mistake.

Every message says what was given, what is allowed and what to do next. `ThoughtscopeError` is wrong input
(the command line exits with 2); `WorkError` is a failure at the work itself (exit 1). This module imports
nothing, so that every folder may raise its errors.
"""


class ThoughtscopeError(Exception):
    """Wrong input: something the user gave cannot be used as it is."""


class ModelError(ThoughtscopeError):
    """A model, engine or site that cannot be used: unknown, incomplete, not causal, too large."""


class PromptError(ThoughtscopeError):
    """A prompt, chat template or thinking format that cannot be used."""


class RecordingError(ThoughtscopeError):
    """A recording that is damaged, too new, not ours, or lacks a column that was asked for."""


class SignalError(ThoughtscopeError):
    """A signal that does not exist, or that this recording cannot give."""


class ControlError(ThoughtscopeError):
    """A control with settings that cannot be applied."""


class WorkError(Exception):
    """The input was right and the work failed all the same."""


__all__ = [
    "ControlError",
    "ModelError",
    "PromptError",
    "RecordingError",
    "SignalError",
    "ThoughtscopeError",
    "WorkError",
]
