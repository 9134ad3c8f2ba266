"""Find the files below a folder, and count what is left out."""

import os
import re
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from gradlog.data.dataset import DataError

_MOST_ENDINGS = 5  # that are named
# What a run and a sweep of ours keep in their folders, all of it.
_OUTPUT = (
    {"provenance.json", "config.json"},
    {"config.json", "checkpoints"},
    {"sweep.json", "runs"},
)


@dataclass
class Found:
    """The files below a folder.

    Attributes:
      files: those with a wanted ending, by name.
      folders: those that were searched.
      reached_again: files and folders that links reach once more, each with the path that counts.
      num_files: how many files were seen, those that are left out included.
      left_out: how many things of each kind are left out, but for their ending.
      endings: how many files are left out for their ending, by ending.
    """

    files: list[Path] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)
    reached_again: list[tuple[Path, Path]] = field(default_factory=list)
    num_files: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    endings: Counter[str] = field(default_factory=Counter)

    def count_left_out(self) -> Counter[str]:
        """Return how many things of each kind are left out, for a line of text."""
        again = {"files or folders that a link reaches again": len(self.reached_again)}
        counts = self.left_out + Counter(again)
        for ending, count in self.endings.most_common():
            usual = re.fullmatch(r"\.[a-z]{1,9}", ending)  # another may hold anything
            named = usual and sum(kind.startswith(".") for kind in counts) < _MOST_ENDINGS
            counts[f"{ending} files" if named else "files with other endings or none"] += count
        return counts


def find_files(root: Path, endings: Collection[str]) -> Found:
    """Find all files below a folder that have one of these endings, in small or capital letters.

    Links are followed after all else, so that a file counts where it really lies. Names that begin
    with a dot are left out: systems write thumbnails there, and macOS writes ._1.jpg, which is no
    image, beside 1.jpg. The folders of our own runs and sweeps are left out, because their pictures
    are no data.

    Raises:
      DataError: a folder cannot be read, a link leads to a folder that holds it, or the root is a
        folder of a run.
    """
    found = Found()
    seen: dict[str, Path] = {}  # by where the files and folders really lie
    # A folder by the names that lead to it, and where it and the folders above it really lie.
    waiting = [(root, (os.path.realpath(root),))]
    linked_folders: list[tuple[Path, tuple[str, ...]]] = []
    linked_files: list[tuple[Path, str]] = []
    while waiting or linked_folders:
        folder, chain = waiting.pop() if waiting else linked_folders.pop(0)
        if chain[-1] in seen:
            found.reached_again.append((folder, seen[chain[-1]]))
            continue
        seen[chain[-1]] = folder
        try:
            with os.scandir(folder) as entries:
                listed = sorted(entries, key=lambda entry: entry.name)
            names = {entry.name for entry in listed}
            if any(marks <= names for marks in _OUTPUT):
                if folder == root:
                    raise DataError(
                        f"{root} is a folder of a run or a sweep, whose pictures are no data; name "
                        "a folder of images"
                    )
                found.left_out["folders of runs"] += 1
                continue
            found.folders.append(folder)
            folders = []
            for entry in listed:
                path = folder / entry.name
                is_link = entry.is_symlink()
                # The folder's listing knows what is no link; a link may lead nowhere.
                is_folder = path.is_dir() if is_link else entry.is_dir()
                is_file = path.is_file() if is_link else entry.is_file()
                place = os.path.realpath(path) if is_link else os.path.join(chain[-1], entry.name)
                ending = path.suffix.lower()
                found.num_files += is_file
                if entry.name.startswith("."):
                    found.left_out["hidden folders" if is_folder else "hidden files"] += 1
                elif is_folder:
                    if is_link and any(Path(above).is_relative_to(place) for above in chain):
                        raise DataError(
                            f"{path} is a link to {place}, which holds it; remove the link"
                        )
                    (linked_folders if is_link else folders).append((path, (*chain, place)))
                elif not is_file:
                    broken = is_link and not path.exists()
                    found.left_out["broken links" if broken else "things that are no files"] += 1
                elif ending not in endings:
                    found.endings[ending] += 1
                elif is_link:
                    linked_files.append((path, place))
                elif place in seen:  # of a folder that a link reached
                    found.reached_again.append((path, seen[place]))
                else:
                    seen[place] = path
                    found.files.append(path)
            waiting += reversed(folders)
        except OSError as error:
            raise DataError(f"{folder} cannot be read ({error}); make it readable") from error
    for path, place in sorted(linked_files):
        if place in seen:
            found.reached_again.append((path, seen[place]))
        else:
            seen[place] = path
            found.files.append(path)
    found.files.sort()
    return found
