"""The one place that imports transformers, offline and silent, with errors of one line."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from lmmix.errors import FormatError, LmmixError, MissingDependencyError
from lmmix.fileio import PathLike

OFFLINE = "HF_HUB_OFFLINE"

LOCAL = {"local_files_only": True, "trust_remote_code": False}
"""What every call of `from_pretrained` is told: nothing is downloaded, and no code of a folder is run."""


@contextmanager
def transformers_for(folder: PathLike) -> Iterator[ModuleType]:
    """The package transformers, offline and silent inside the block, which reads from `folder`.

    Raises MissingDependencyError without the package, and FormatError with the first line of whatever transformers
    says of the folder.
    """
    try:
        import huggingface_hub.constants as hub
        import transformers
    except ImportError:
        raise MissingDependencyError("transformers", "a Hugging Face model", "hf") from None
    log = transformers.utils.logging
    verbosity, bars = log.get_verbosity(), log.is_progress_bar_enabled()
    offline, variable = hub.HF_HUB_OFFLINE, os.environ.get(OFFLINE)
    log.set_verbosity(log.CRITICAL)
    log.disable_progress_bar()
    # The variable is for what is imported from here on, the constant for what has been imported.
    os.environ[OFFLINE], hub.HF_HUB_OFFLINE = "1", True
    try:
        yield transformers
    except LmmixError:
        raise
    except Exception as error:  # transformers lets through the errors of a dozen packages
        said = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise FormatError(f"{folder}: transformers cannot read it: {said[:300]}") from None
    finally:
        log.set_verbosity(verbosity)
        if bars:
            log.enable_progress_bar()
        hub.HF_HUB_OFFLINE = offline
        if variable is None:
            del os.environ[OFFLINE]
        else:
            os.environ[OFFLINE] = variable
