"""All widgets in one place, for `show.widgets.convolution_explorer(...)`; each lives in the module of its chapter."""

from importlib import import_module

from course_lib.chapters import CHAPTERS

__all__ = sorted(widget for chapter in CHAPTERS for widget in chapter.widgets)

for _chapter in CHAPTERS:
    for _widget in _chapter.widgets:
        globals()[_widget] = getattr(import_module(f"course_lib.show.{_chapter.stem}"), _widget)
