// What the pages need beside htmx: charts, a pause while nobody looks, and copying a key.
(() => {
  "use strict";

  // A hidden page asks nothing; a page that cannot reach the server says so.
  document.addEventListener("htmx:beforeRequest", (event) => {
    const trigger = event.detail.requestConfig.triggeringEvent;
    if (document.hidden && event.detail.requestConfig.verb === "get" && !trigger) event.preventDefault();
  });
  const stale = (is) => document.querySelectorAll(".live").forEach((mark) => {
    mark.classList.toggle("stale", is);
    mark.textContent = is ? "no connection" : "live";
  });
  document.addEventListener("htmx:sendError", () => stale(true));
  document.addEventListener("htmx:afterOnLoad", () => stale(false));

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent.trim());
    button.textContent = "Copied";
  });

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

  const options = (place, answer) => ({
    width: place.clientWidth,
    height: 260,
    cursor: { focus: { prox: 24 } },
    scales: { x: { time: true }, y: { range: (_, low, high) => [0, Math.max(high * 1.05, 1)] } },
    axes: [
      { stroke: colour("--soft"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line") } },
      { stroke: colour("--soft"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line") }, size: 60, values: (_, all) => all.map((v) => compact.format(v)) },
    ],
    series: [
      {},
      ...answer.series.map((name, i) => ({
        label: name,
        stroke: colour(`--s${(i % 6) + 1}`),
        width: 2,
        points: { show: answer.times.length < 40 },
        value: (_, v) => (v == null ? "–" : compact.format(v)),
      })),
    ],
  });

  // A chart names its data's address; it is drawn again when what it shows has changed.
  const draw = async (place) => {
    if (place.busy || document.hidden) return;
    place.busy = true;
    try {
      const form = document.getElementById(place.dataset.form);
      const reply = await fetch(place.dataset.chart + "?" + new URLSearchParams(new FormData(form)), { headers: { Accept: "application/json" } });
      if (!reply.ok) return;
      const answer = await reply.json();
      const shape = JSON.stringify([answer.series, place.clientWidth]);
      const data = [answer.times, ...answer.values];
      if (place.plot && place.shape === shape) {
        place.plot.setData(data);
      } else {
        place.plot?.destroy();
        place.plot = new uPlot(options(place, answer), data, place);
        place.shape = shape;
      }
      place.dataset.drawn = answer.total;
    } catch {
      stale(true);
    } finally {
      place.busy = false;
    }
  };
  const drawAll = () => document.querySelectorAll("[data-chart]").forEach(draw);
  const redrawAll = () => document.querySelectorAll("[data-chart]").forEach((place) => { place.shape = ""; draw(place); });
  document.addEventListener("DOMContentLoaded", drawAll);
  document.addEventListener("change", (event) => { if (event.target.form?.matches("[data-redraw]")) drawAll(); });
  window.addEventListener("resize", drawAll);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redrawAll);
  setInterval(drawAll, 1500);
})();
