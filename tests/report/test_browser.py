"""The page in headless Chromium: no console messages, all plots drawn, no horizontal scroll, sorting and filtering."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess

import pytest

from hermes_sim.report.folder import write_report

pytestmark = pytest.mark.slow

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--enable-logging=stderr",
    "--virtual-time-budget=15000", "--window-size=1280,900",
)  # fmt: skip

# Runs inside the page, after its own script; what it finds stands in the title, which --dump-dom prints.
PROBE = """
<script>
window.addEventListener("load", () => setTimeout(() => {
  const plots = Array.from(document.querySelectorAll(".plot"));
  const table = document.getElementById("parameters");
  const column = (i) => Array.from(table.tBodies[0].rows, (row) => row.cells[i].textContent);
  const visible = () => Array.from(table.tBodies[0].rows).filter((row) => !row.hidden).length;
  const found = {
    width: document.documentElement.scrollWidth,
    wide: Array.from(document.querySelectorAll("main *"))
      .filter((e) => !e.closest(".plot") && e.getBoundingClientRect().right > 1281).map((e) => e.tagName),
    plots: plots.length,
    drawn: plots.filter((plot) => plot.querySelector(".main-svg") && plot.data.length).length,
    rows: table.tBodies[0].rows.length,
  };
  table.tHead.rows[0].cells[0].querySelector("span").click();
  found.names = column(0);
  table.tHead.rows[0].cells[6].querySelector("span").click();
  found.shares = Array.from(table.tBodies[0].rows, (row) => Number(row.cells[6].dataset.sort));
  const box = document.querySelector('input[data-filters="parameters"]');
  box.value = "off_chip assumed";
  box.dispatchEvent(new Event("input"));
  found.filtered = visible();
  document.title = JSON.stringify(found);
}, 3000));
</script>
"""


@pytest.fixture(scope="module")
def browser():
    path = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip(f"no browser: none of {', '.join(BROWSERS)} is installed")
    return path


def open_page(browser, page, profile):
    run = subprocess.run(
        [browser, *FLAGS, f"--user-data-dir={profile}", "--dump-dom", page.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    console = [line for line in run.stderr.splitlines() if "CONSOLE" in line]
    title = re.search(r"<title>(.*?)</title>", run.stdout, re.DOTALL)
    return console, json.loads(html.unescape(title.group(1)))


@pytest.mark.parametrize("fixture", ["rich", "large"])
def test_page_in_a_browser(fixture, browser, request, tmp_path):
    report = write_report(request.getfixturevalue(fixture), tmp_path / "report")
    page = report / "report.html"
    page.write_text(page.read_text(encoding="utf-8").replace("</body>", PROBE + "</body>"), encoding="utf-8")
    console, found = open_page(browser, page, tmp_path / "profile")
    assert console == []
    assert found["drawn"] == found["plots"] >= 10
    assert found["width"] <= 1280
    assert found["wide"] == []
    assert found["names"] == sorted(found["names"])
    assert found["shares"] == sorted(found["shares"], reverse=True)
    assert 0 < found["filtered"] < found["rows"]
