"use strict";
const live = document.getElementById("live");
if (live) {
  const points = [];
  const text = (value, digits) => value.toLocaleString("en", { maximumFractionDigits: digits });
  const line = (name, x, y) => points.filter((p) => p[name] !== null)
    .map((p, n) => `${n ? "L" : "M"}${x(p.seconds).toFixed(1)},${y(p[name]).toFixed(1)}`).join("");
  const draw = () => {
    const values = points.flatMap((p) => [p.incumbent_musd, p.bound_musd]).filter((v) => v !== null);
    if (!values.length) return;
    const [low, high] = [Math.min(...values), Math.max(...values)], last = Math.max(points.at(-1).seconds, 0.1);
    const x = (s) => 10 + 620 * s / last, y = (v) => 210 - 200 * (high > low ? (v - low) / (high - low) : 0.5);
    for (const [id, name] of [["incumbent", "incumbent_musd"], ["bound", "bound_musd"]]) {
      document.getElementById(id).setAttribute("d", line(name, x, y));
    }
  };
  const source = new EventSource(live.dataset.events);
  source.addEventListener("status", (event) => {
    const job = JSON.parse(event.data), progress = job.progress;
    document.getElementById("state").textContent = job.stopping ? "stopping" : job.state;
    document.getElementById("state").className = "state " + job.state;
    const doing = [];
    if (job.position) doing.push(`position ${job.position} in the queue`);
    if (progress && progress.phase) doing.push(progress.phase);
    if (progress && progress.of) doing.push(`${progress.done} of ${progress.of}`);
    if (progress && progress.seconds) doing.push(`${text(progress.seconds, 0)} s`);
    document.getElementById("doing").textContent = doing.join(", ");
    if (progress) {
      points.push(progress);
      const figures = [];
      if (progress.incumbent_musd !== null) figures.push(`best plan so far: ${text(-progress.incumbent_musd, 1)} million USD`);
      if (progress.bound_musd !== null) figures.push(`best possible: ${text(-progress.bound_musd, 1)}`);
      if (progress.gap !== null) figures.push(`gap ${text(100 * progress.gap, 2)} %`);
      document.getElementById("figures").textContent = figures.length ? "(" + figures.join(", ") + ")" : "";
      draw();
    }
    if (!["queued", "running"].includes(job.state)) { source.close(); location.reload(); }
  });
}
