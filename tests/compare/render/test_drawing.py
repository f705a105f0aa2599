"""How figures are drawn."""

from cells.compare.render.drawing import COLOURS, LINES, MARKERS, style_of


def test_colours_lines_and_markers_change_together() -> None:
    assert len(COLOURS) == len(LINES) == len(MARKERS)
    assert len(set(COLOURS)) == len(COLOURS)


def test_no_two_of_many_models_look_alike() -> None:
    styles = {str(place): place for place in range(49)}
    assert len({style_of(name, styles) for name in styles}) == 49
