"use strict";
const nav = document.querySelector("nav");
const below = () => document.documentElement.style.setProperty("--nav", `${nav.offsetHeight + 12}px`);
below();
addEventListener("resize", below);
for (const holder of document.querySelectorAll("script[type='application/json'][data-chart]")) {
  const target = document.getElementById("chart-" + holder.dataset.chart);
  const spec = JSON.parse(holder.textContent);
  vegaEmbed(target, spec, { actions: false, renderer: "svg", ast: false })
    .then(() => {
      target.setAttribute("role", "img"); // Vega calls itself a visualisation; what it shows is in its description
      target.setAttribute("aria-label", spec.description);
      target.dataset.drawn = "yes";
    })
    .catch((error) => { target.textContent = "This figure could not be drawn: " + error.message; target.dataset.drawn = "no"; });
}
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const key = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent;
      const number = head.classList.contains("n");
      const rows = [...table.tBodies[0].rows];
      rows.sort((a, b) => {
        const [x, y] = [key(a), key(b)];
        const order = number ? (Number(x === "" ? -Infinity : x) - Number(y === "" ? -Infinity : y)) : x.localeCompare(y);
        return up ? order : -order;
      });
      table.tBodies[0].append(...rows);
    });
  });
}
