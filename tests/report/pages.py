"""Reading a page as a browser would, as far as the standard library goes."""

from __future__ import annotations

import json
from html.parser import HTMLParser

_VOID = {"meta", "link", "input", "br", "hr", "img"}


class Page(HTMLParser):
    """Elements, texts and plots of a page; an unclosed or misplaced end tag is an error."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.ids, self.links, self.sources, self.plots, self.texts = [], [], [], [], {}, []
        self._plot = None
        self.feed(text)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.ids += [found["id"]] if "id" in found else []
        self.links += [found["href"]] if "href" in found else []
        self.sources += [found[key] for key in ("src", "srcset", "data") if key in found]
        if "data-plot" in found:
            self._plot = found["data-plot"]
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open[-1:] == [tag], f"</{tag}> inside {self.open[-3:]}"
        self.open.pop()

    def handle_data(self, data):
        if self.open[-1:] == ["script"]:
            if self._plot:
                self.plots[self._plot] = json.loads(data)
            self._plot = None
        elif self.open[-1:] != ["style"]:
            self.texts.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())
