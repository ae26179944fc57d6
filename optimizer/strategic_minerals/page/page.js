"use strict";
const nav = document.querySelector("nav");
const below = () => nav && document.documentElement.style.setProperty("--nav", `${nav.offsetHeight + 12}px`);
below();
addEventListener("resize", below);
const rows = JSON.parse(document.getElementById("narrow").textContent);
const small = 560; // pixels below which labels of rows stand above them
function fitted(spec, room) {
  const narrow = room < small;
  const panel = spec.usermeta?.panel; // pixels of a panel's axis
  if (panel !== undefined) {
    spec.columns = Math.max(1, Math.min(3, spec.concat.length, Math.floor(room / 300)));
    for (const part of spec.concat) part.width = Math.max(160, Math.floor(room / spec.columns) - panel);
    return spec;
  }
  if (!narrow) return spec;
  const height = rows.row * spec.usermeta?.rows;
  const shrink = (unit) => {
    const y = unit.encoding?.y;
    const named = y !== undefined && (y.type === "nominal" || y.type === "ordinal") && unit.encoding.row === undefined;
    if (named) {
      y.axis = { ...y.axis, ...rows.axis, labelLimit: room - 10 };
      y.scale = { ...y.scale, ...rows.scale };
    }
    for (const by of ["color", "shape", "strokeDash"]) {
      const legend = unit.encoding?.[by]?.legend; // legends of one column are one
      if (legend) Object.assign(legend, { columns: 2, labelLimit: room / 2 - 30 });
    }
    return [named, ...(unit.layer ?? []).map(shrink)].some(Boolean);
  };
  if (shrink(spec)) spec.height = height;
  return spec;
}
for (const holder of document.querySelectorAll("script[type='application/json'][data-chart]")) {
  const target = document.getElementById("chart-" + holder.dataset.chart);
  const spec = fitted(JSON.parse(holder.textContent), target.clientWidth);
  vegaEmbed(target, spec, { actions: false, renderer: "svg", ast: false })
    .then(() => {
      target.setAttribute("role", "img"); // Vega calls itself a visualisation; what it shows is in its description
      target.setAttribute("aria-label", spec.description);
      target.dataset.drawn = "yes";
    })
    .catch((error) => { target.textContent = "This figure could not be drawn: " + error.message; target.dataset.drawn = "no"; });
}
