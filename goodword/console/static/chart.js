// Charts: draws what stands in data-chart with uPlot, in the page's own colours, and saves a picture as PNG. The table beside each says the same.
"use strict";
(() => {
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  // A colour as the browser resolves it: light-dark() is nothing that a canvas understands.
  const colour = (name) => {
    const probe = document.createElement("span");
    probe.style.color = `var(${name})`;
    document.body.append(probe);
    const found = getComputedStyle(probe).color;
    probe.remove();
    return found;
  };
  const dashes = [[], [8, 4], [2, 4], [12, 4, 2, 4], [5, 5]];
  const shown = new Map();

  const draw = (box) => {
    shown.get(box)?.destroy();
    const said = JSON.parse(box.dataset.chart);
    const whole = (digits) => new Intl.NumberFormat(undefined, { minimumFractionDigits: 0, maximumFractionDigits: digits });
    const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeZone: "UTC" });
    const short = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", timeZone: "UTC" });
    const digits = Math.max(...said.series.map((each) => each.digits));
    const grid = { stroke: colour("--line"), width: 1 };
    const font = `12px ${css("--sans")}`;
    const axis = { stroke: colour("--muted"), grid, ticks: grid, font };
    const chart = new uPlot({
      width: Math.max(box.clientWidth, 240),
      height: 240,
      tzDate: (at) => uPlot.tzDate(new Date(at * 1000), "UTC"),
      cursor: { points: { size: 8 } },
      legend: { markers: { width: 3, dash: (_, place) => ["none", "solid", "dashed", "dotted", "double"][place] ?? "solid" } },
      scales: { y: { range: (_, __, most) => [0, most > 0 ? most * 1.08 : 1] } },
      axes: [
        { ...axis, values: (_, splits) => splits.map((at) => short.format(new Date(at * 1000))), space: 70, incrs: [1, 2, 7, 14, 28, 91, 182, 364].map((days) => days * 86400) },
        { ...axis, values: (_, splits) => splits.map((each) => (digits || each % 1 === 0 ? whole(digits).format(each) : "")), size: (u, values) => 18 + 7.5 * Math.max(3, ...(values ?? []).map((each) => each.length)) },
      ],
      series: [
        { label: said.period, value: (_, at) => (at == null ? "" : day.format(new Date(at * 1000))) },
        ...said.series.map((each, place) => ({
          label: each.name,
          stroke: colour(`--series-${place + 1}`),
          width: 2,
          dash: dashes[place],
          points: { show: said.at.length < 40, size: 5 },
          value: (_, value) => (value == null ? "" : whole(each.digits).format(value)),
        })),
      ],
    }, [said.at, ...said.series.map((each) => each.values)], box);
    shown.set(box, chart);
  };

  const boxes = document.querySelectorAll("[data-chart]");
  if (boxes.length && window.uPlot) {
    for (const box of boxes) draw(box);
    const resized = new ResizeObserver((entries) => {
      for (const { target } of entries) {
        const chart = shown.get(target);
        if (chart && target.clientWidth && Math.abs(chart.width - target.clientWidth) > 1) chart.setSize({ width: target.clientWidth, height: 240 });
      }
    });
    for (const box of boxes) resized.observe(box);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => boxes.forEach(draw));
  }

  for (const button of document.querySelectorAll("[data-png]")) {
    const picture = document.querySelector(button.dataset.png);
    button.hidden = false;
    button.addEventListener("click", () => {
      const canvas = document.createElement("canvas");
      [canvas.width, canvas.height] = [picture.naturalWidth * 2, picture.naturalHeight * 2];
      canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
      canvas.toBlob((blob) => {
        const link = document.createElement("a");
        link.href = URL.createObjectURL(blob);
        link.download = `${document.title.split(" · ")[0]}.png`;
        link.click();
        setTimeout(() => URL.revokeObjectURL(link.href), 1000);
      });
    });
  }
})();
