import importlib
import logging
import sys

from cells.recurrent.engines.fused import compiling


def test_compiling_is_told_of_once(monkeypatch, caplog):
    def double(x):
        return 2 * x

    monkeypatch.setattr(compiling, "_KEEPS_COMPILED_CODE", False)
    monkeypatch.setattr(double, "__module__", f"{compiling.__package__}.sweep")
    compiling._say_so.cache_clear()
    kernel = compiling.compiled(double)
    with caplog.at_level(logging.INFO):
        assert (kernel(2), kernel(2), kernel(0.5)) == (4, 4, 1.0)
    (line,) = caplog.messages
    assert line.startswith("engine=fused: compiling its kernels, about ten seconds, in every process")


def test_a_kernel_on_disk_is_not_used_with_another_version_of_what_it_calls(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def answer(number):
        monkeypatch.setattr(compiling, "_SOURCE", bytes([number]))
        head = "from cells.recurrent.engines.fused.compiling import compiled\n"
        (tmp_path / "called.py").write_text(f"{head}@compiled\ndef number():\n    return {number}\n")
        (tmp_path / "caller.py").write_text(
            f"{head}from called import number\n@compiled\ndef call():\n    return number()\n"
        )
        for name in ("called", "caller"):
            monkeypatch.delitem(sys.modules, name, raising=False)
        importlib.invalidate_caches()
        return importlib.import_module("caller").call()

    assert [answer(1), answer(2), answer(1)] == [1, 2, 1]
