for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => {
    const head = button.closest("th"), table = head.closest("table"), body = table.tBodies[0];
    const up = head.getAttribute("aria-sort") !== "ascending", at = head.cellIndex;
    for (const other of table.querySelectorAll("th")) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const key = (row) => row.cells[at].dataset.sort ?? row.cells[at].textContent;
    const compare = (x, y) => {
      if (x === "" || y === "") return (x === "") - (y === "");
      const a = Number(x), b = Number(y);
      const order = Number.isNaN(a) || Number.isNaN(b) ? x.localeCompare(y) : a - b;
      return up ? order : -order;
    };
    body.append(...[...body.rows].sort((r, s) => compare(key(r), key(s))));
  });
}
// a printed page shows what a reader can unfold
addEventListener("beforeprint", () => {
  for (const part of document.querySelectorAll("details")) part.open = true;
});
