// Latency by percentile, a line a kind. The axis of percentiles is HdrHistogram's: as much room for the step from 90 to 99 % as for
// that from 99 to 99.9 %.

const PERCENTILE_MARGIN = { left: 64, right: 18, top: 10, bottom: 24 };

const percentilesCanvas = document.getElementById("percentiles");
if (percentilesCanvas) wirePercentiles(percentilesCanvas);

function wirePercentiles(canvas) {
  const tall = Number.parseFloat(canvas.style.height);
  const kinds = run.percentiles.filter(([, points]) => points.length > 0);
  const lines = kinds.map(([kind, points], index) => {
    const total = points[points.length - 1].count;
    // The longest of all has no finite place on the axis; it ends where one more would have to follow.
    const place = ({ count }) => Math.log10(total / Math.max(total - count, 1));
    return {
      kind,
      color: `kind-${(index % 6) + 1}`,
      dash: [[], [6, 4], [2, 3]][Math.floor(index / 6) % 3],
      points: points.map((point) => ({ at: place(point), ns: point.at_most_ns, count: point.count, total })),
    };
  });
  const all = lines.flatMap(({ points }) => points);
  const scale = logarithms(
    all.reduce((least, { ns }) => Math.min(least, ns), Infinity),
    all.reduce((most, { ns }) => Math.max(most, ns), 0),
  );
  const last = Math.max(all.reduce((most, { at }) => Math.max(most, at), 0), 1);
  const tip = document.getElementById("percentiles-tip");
  let hovered = null;

  const { left, right, top, bottom } = PERCENTILE_MARGIN;
  const width = () => canvas.parentElement.clientWidth;
  const x = (at) => left + (at / last) * (width() - left - right);
  const y = (ns) => {
    const fraction = (Math.log10(Math.max(ns, 1)) - scale.from) / (scale.until - scale.from);
    return tall - bottom - fraction * (tall - bottom - top);
  };

  const draw = () => {
    const density = window.devicePixelRatio || 1;
    canvas.width = Math.round(width() * density);
    canvas.height = Math.round(tall * density);
    const context = canvas.getContext("2d");
    context.scale(density, density);
    context.font = LABEL_FONT;
    context.textBaseline = "middle";
    drawAxes(context);
    for (const { kind, color, dash, points } of lines) {
      if (view.hiddenKinds.has(kind)) continue;
      context.strokeStyle = colors[color];
      context.lineWidth = 2;
      context.setLineDash(dash);
      context.beginPath();
      context.moveTo(x(0), y(points[0].ns));
      for (const { at, ns } of points) context.lineTo(x(at), y(ns));
      context.stroke();
      context.setLineDash([]);
      context.lineWidth = 1;
    }
    if (hovered !== null) {
      context.strokeStyle = colors.muted;
      line(context, x(hovered), top, x(hovered), tall - bottom);
    }
  };

  const drawAxes = (context) => {
    for (const ns of logarithmicTicks(scale)) {
      context.strokeStyle = colors.grid;
      line(context, left, y(ns), width() - right, y(ns));
      context.fillStyle = colors.muted;
      context.textAlign = "right";
      context.fillText(roundText(ns), left - 8, y(ns));
    }
    let labelledUntil = -Infinity;
    for (const fraction of percentileTicks(last)) {
      const at = -Math.log10(1 - fraction);
      const half = context.measureText(percentText(fraction)).width / 2;
      if (x(at) - half < labelledUntil) continue;
      labelledUntil = x(at) + half + 8;
      context.strokeStyle = colors.grid;
      line(context, x(at), top, x(at), tall - bottom);
      context.fillStyle = colors.muted;
      context.textAlign = "center";
      context.fillText(percentText(fraction), x(at), tall - bottom / 2 + 2);
    }
    context.strokeStyle = colors.line;
    line(context, left, tall - bottom, width() - right, tall - bottom);
  };

  canvas.addEventListener("pointermove", ({ offsetX, offsetY }) => {
    const at = ((offsetX - left) / (width() - left - right)) * last;
    hovered = at < 0 || at > last ? null : at;
    const shown = lines.filter(({ kind }) => !view.hiddenKinds.has(kind));
    tip.hidden = hovered === null || shown.length === 0;
    if (!tip.hidden) {
      tip.replaceChildren(
        element("strong", percentText(1 - 10 ** -at)),
        ...shown.map(({ kind, points }) => {
          const point = points.find((candidate) => candidate.at >= at) ?? points[points.length - 1];
          return element("div", `${kind}: at most ${durationText(point.ns)}`);
        }),
      );
      const place = Math.min(canvas.offsetLeft + offsetX + 14, width() - tip.offsetWidth - 8);
      tip.style.left = `${Math.max(place, 8)}px`;
      tip.style.top = `${canvas.offsetTop + offsetY + 16}px`;
    }
    draw();
  });
  canvas.addEventListener("pointerleave", () => {
    hovered = null;
    tip.hidden = true;
    draw();
  });
  let drawnVersion = -1;
  viewListeners.push(() => {
    if (drawnVersion !== view.version) draw();
    drawnVersion = view.version;
  });
  let drawnWidth = 0;
  new ResizeObserver(() => {
    if (drawnWidth !== width()) draw();
    drawnWidth = width();
  }).observe(canvas.parentElement);
}

// 0, 50, 90, 99, 99.9 % and so on, as far as the axis goes.
function percentileTicks(last) {
  const ticks = [0, 0.5];
  for (let nines = 1; nines <= last + 1e-9; nines += 1) ticks.push(1 - 10 ** -nines);
  return ticks;
}

function percentText(fraction) {
  const nines = -Math.log10(1 - fraction);
  const decimals = Math.max(Math.ceil(nines - 1e-9) - 2, 0);
  const text = (fraction * 100).toFixed(Math.min(decimals + (Number.isInteger(Math.round(nines * 1e6) / 1e6) ? 0 : 1), 8));
  return `${text.includes(".") ? text.replace(/\.?0+$/, "") : text} %`;
}
