"""Load an exported score model with JAX alone.

    import sys

    sys.path.append("4000.zip")
    from load_exported import Exported

    sys.path.pop()
    model = Exported("4000.zip")
    model.log_prob(x)        # nats, of data as stored
    model.bits_per_dim(x)
    model.score(points, t)   # of points of the model's space
    model.logits(tokens)     # instead of a score, if the model is one of tokens

``about.json`` in the file describes the model; ``model.about`` has its contents.

A file is a program. Its digests show that it is as it was written, and not who wrote it: load only
what you trust.
"""

import hashlib
import io
import json
import math
import sys
import zipfile

import jax
import numpy as np

FORMAT = 3
_READS = (2, FORMAT)  # format 2 has no digest of about.json


class Exported:
    """The score and the log density of one checkpoint.

    Attributes:
      about: shapes, types, units, the SDE, the estimator, versions.
      params: the parameters, by name.
    """

    def __init__(self, path):
        """Read a file.

        Raises:
          ValueError: its format or its platforms do not fit, or a part is not as it was written.
        """
        self.about, parts = read_parts(path)
        _import_flatbuffers(path)
        from jax import export

        with np.load(io.BytesIO(parts["parameters.npz"])) as arrays:
            self.params = jax.device_put(dict(arrays))
        platform = _platform(self.params)
        if platform not in self.about["platforms"]:
            known = ", ".join(self.about["platforms"])
            raise ValueError(f"{path} has programs for {known}; this JAX runs on {platform}")
        self._is_discrete = "logits.jax" in parts
        score = "logits" if self._is_discrete else "score"
        self._score, self._log_density, self._evaluation = (
            jax.jit(export.deserialize(bytearray(parts[f"{name}.jax"])).call)
            for name in (score, "log_density", f"evaluation.{platform}")
        )

    def score(self, x, t):
        """Return the score (n, *D) at points x (n, *D) of the model's space, times t one or (n,).

        Raises:
          ValueError: x has another shape, a time lies outside [0, t_max], or the model is one of
            tokens and has no score.
        """
        if self._is_discrete:
            raise ValueError("a model of tokens has no score; it has logits")
        x, t_max = self._shaped(x, "points").astype(np.float32), self.about["sde"]["t_max"]
        t = np.broadcast_to(np.asarray(t, np.float32), (len(x),))
        if not np.all((t >= 0) & (t <= np.float32(t_max))):
            raise ValueError(f"times must lie in [0, {t_max:g}], those of the SDE")
        return np.asarray(self._score(self.params, x, t))

    def logits(self, x, t=1.0):
        """Return the log probabilities (n, *D, levels) of the tokens at masked positions.

        The mask is the number ``levels``; the other positions of x (n, *D) hold tokens below it. A
        model without masks has those of every token given the others, at the time t, one or (n,).

        Raises:
          ValueError: x has another shape or other values, a time lies outside [0, 1], or the model
            is no model of tokens.
        """
        if not self._is_discrete:
            raise ValueError("this model has no logits; it has a score")
        sees_time = "t" in self.about["arguments"]["logits.jax"]
        x = self._stored(x, self.about["data"].get("masks", not sees_time)).astype(np.int32)
        t = np.broadcast_to(np.asarray(t, np.float32), (len(x),))
        if not np.all((t >= 0) & (t <= 1)):
            raise ValueError("times must lie in [0, 1]")
        return np.asarray(self._score(self.params, x, *([t] if sees_time else [])))

    def log_prob(self, x, index=None, batch_size=None):
        """Return log P in nats, (n,), of data x (n, *D) as stored; NaN where the solver failed.

        By default a batch has ``about["rows"]`` rows, as in the evaluation on one device. Its own
        program computes it, with the same rounding. For other batch sizes the last digits differ.

        Random draws are functions of the index, by default 0 to n - 1. The index of a datum in the
        test set gives it the draws of the evaluation.

        Raises:
          ValueError: x has another shape, values that are not finite or not levels of the data, or
            ``index`` does not have a whole number for each datum.
        """
        x = self._stored(x)
        index = np.arange(len(x)) if index is None else np.asarray(index)
        if index.shape != (len(x),) or index.dtype.kind not in "iu":
            raise ValueError(f"index must be {len(x)} whole numbers, one for each datum")
        size = min(batch_size or self.about["rows"], len(x))
        parts = [
            self._nats(x[start : start + size], index[start : start + size], size)
            for start in range(0, len(x), size)
        ]
        return np.concatenate(parts)

    def bits_per_dim(self, x, index=None, batch_size=None):
        """Return bits per dimension, (n,), of data as stored: -log_prob / (d log 2)."""
        dims = math.prod(self.about["data"]["shape"])
        return -self.log_prob(x, index, batch_size) / (dims * math.log(2))

    def _stored(self, x, masked=False):
        """Return data as stored; a cast would change other data without a word."""
        x, levels = self._shaped(x, "data"), self.about["data"]["levels"]
        if not np.isfinite(x).all():
            raise ValueError("data must be finite")
        levels = levels + 1 if masked else levels
        if levels and not (x.min() >= 0 and x.max() < levels and np.all(x == np.round(x))):
            raise ValueError(
                f"data from {x.min():g} to {x.max():g} are not stored data: give whole numbers "
                f"from 0 to {levels - 1}"
            )
        return x

    def _shaped(self, x, what):
        x, shape = np.asarray(x), tuple(self.about["data"]["shape"])
        if x.dtype.kind not in "biuf":
            raise ValueError(f"{what} of type {x.dtype} are not real numbers")
        if not x.ndim or not len(x) or x.shape[1:] != shape:
            raise ValueError(f"{what} of shape {x.shape} do not fit: (n, *{shape}), n > 0")
        return x

    def _nats(self, x, index, size):
        """Return nats of at most ``size`` data, padded with copies of the last one to one shape."""
        rows = np.minimum(np.arange(size), len(x) - 1)
        stored = x[rows].astype(self.about["data"]["stored_as"])
        program = self._evaluation if size == self.about["rows"] else self._log_density
        terms, ok = program(self.params, stored, index[rows].astype(np.int32))
        nats = sum(np.asarray(term, np.float64) for term in terms.values())
        return np.where(ok, nats, np.nan)[: len(x)]


def read_parts(path):
    """Return the contents of ``about.json``, and the other parts by name, of a file.

    Raises:
      ValueError: it has another format, a part is not as it was written, or a part is missing, was
        added or is there twice. The message names the part.
    """
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        parts = {name: archive.read(name) for name in names}
    try:
        about = json.loads(parts["about.json"])
        found, digests = about["format"], dict(about["sha256"])
    except (KeyError, TypeError, ValueError, RecursionError):
        raise ValueError(f"about.json in {path} is not as it was written") from None
    if found not in _READS:
        raise ValueError(f"{path} has another format: use the loader inside it")
    own = digests.pop("about.json", None)
    if found != 2:
        parts["about.json"] = describe(about, digests)
        digests["about.json"] = own
    else:
        del parts["about.json"]
    for name in sorted({*parts, *digests}):
        digest = hashlib.sha256(parts[name]).hexdigest() if name in parts else None
        if digest != digests.get(name) or names.count(name) > 1:
            raise ValueError(f"{name} in {path} is not as it was written")
    parts.pop("about.json", None)
    return about, parts


def describe(about, digests):
    """Return the bytes of which ``about.json`` has a digest: its contents without that digest."""
    return json.dumps({**about, "sha256": digests}, sort_keys=True).encode()


def _import_flatbuffers(path):
    """Import the package that jax.export needs, from the file if it is not installed."""
    try:
        import flatbuffers
    except ImportError:
        sys.path.append(str(path))
        try:
            import flatbuffers  # noqa: F401
        finally:
            sys.path.remove(str(path))


def _platform(params):
    """Return the platform of the device that holds them, by its name in ``jax.export``."""
    (device,) = next(iter(params.values())).devices()
    return {"gpu": "cuda"}.get(device.platform, device.platform)
