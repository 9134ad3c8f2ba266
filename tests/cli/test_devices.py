"""The devices of a host, and the cache of compiled programs."""

import jax
import jax.numpy as jnp
import pytest
from jax.experimental.compilation_cache import compilation_cache

from gradlog.cli.main import replacing_damaged_programs
from gradlog.compilation_cache import store_compiled_programs


@pytest.fixture
def cache(tmp_path):
    """An empty cache of compiled programs, which takes all of them."""
    names = "compilation_cache_dir", "persistent_cache_min_compile_time_secs"
    before = {f"jax_{name}": getattr(jax.config, f"jax_{name}") for name in names}
    jax.config.update("jax_compilation_cache_dir", str(tmp_path))
    compilation_cache.reset_cache()
    with replacing_damaged_programs():
        yield tmp_path
    for name, value in before.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()


def _compile() -> float:
    jax.clear_caches()
    return float(jax.jit(lambda x: jnp.sin(x) * 2)(0.5))


@pytest.mark.parametrize("contents", [lambda whole: whole[:-40], lambda whole: b""])
def test_a_damaged_program_is_compiled_again_and_replaced(cache, contents, capsys):
    expected = _compile()
    entries = {path: path.read_bytes() for path in cache.glob("*-cache")}
    assert entries
    for path, whole in entries.items():
        path.write_bytes(contents(whole))
    assert _compile() == expected
    assert f"note: a program in {cache} is damaged" in capsys.readouterr().out
    assert {path: len(path.read_bytes()) > 40 for path in entries} == dict.fromkeys(entries, True)
    assert _compile() == expected
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("own", [None, "elsewhere"])
def test_the_folder_of_a_process_that_stores_programs_stays(cache, own):
    jax.config.update("jax_compilation_cache_dir", own)
    store_compiled_programs(cache)
    assert jax.config.jax_compilation_cache_dir == (own or str(cache))
