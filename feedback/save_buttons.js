// The buttons below plots and tables: a plot as SVG or PNG, a table as LaTeX or Markdown. Nothing leaves the browser.
(() => {
  const SCALE = 3; // 400 CSS pixels become 1,200: sharp on paper at 10 cm
  const LOOKS = ["fill", "stroke", "stroke-width", "stroke-dasharray", "stroke-linecap", "stroke-linejoin", "opacity",
    "text-anchor", "font-size", "font-weight", "font-family"];
  const LIGHT = ["plot-ink", "plot-mark", "plot-soft", "plot-line", "plot-quiet", "ink", "soft", "line"]
    .map((name) => `--${name}:initial`).join(";") + ";--model1:#2d3a8c;--model2:#8f6212";

  const slug = (text) => text.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 60) || "table";

  const save = (blob, name) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  };

  // Word processors know neither the page's style sheet nor variables: each mark gets its look as attributes, in the
  // light colours whatever the page has, on white.
  const alone = (svg) => {
    const stage = document.createElement("div");
    stage.style.cssText = `position:absolute;left:-9999px;top:0;width:480px;${LIGHT}`;
    const copy = svg.cloneNode(true);
    for (const hidden of copy.querySelectorAll(".tip, .hit")) hidden.remove();
    stage.append(copy);
    svg.parentElement.append(stage); // where the rules of the page's parts hold for it too
    const all = [copy, ...copy.querySelectorAll("*")];
    for (const element of all) {
      const style = getComputedStyle(element);
      for (const name of LOOKS) element.setAttribute(name, style.getPropertyValue(name));
    }
    for (const element of all) for (const name of ["class", "tabindex", "role"]) element.removeAttribute(name);
    stage.remove();
    const [, , width, height] = copy.getAttribute("viewBox").split(" ").map(Number);
    copy.setAttribute("width", width);
    copy.setAttribute("height", height);
    copy.insertAdjacentHTML("afterbegin", '<rect width="100%" height="100%" fill="#fff"/>');
    return { text: new XMLSerializer().serializeToString(copy), width, height };
  };

  const asSvg = (svg, name) => save(new Blob([alone(svg).text], { type: "image/svg+xml" }), `${name}.svg`);

  const asPng = async (svg, name) => {
    const { text, width, height } = alone(svg);
    const image = new Image();
    image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
    await image.decode();
    const canvas = document.createElement("canvas");
    canvas.width = width * SCALE;
    canvas.height = height * SCALE;
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    canvas.toBlob((blob) => save(blob, `${name}.png`), "image/png");
  };

  const headOf = (table) => [...(table.tHead?.rows ?? [])];
  const bodyOf = (table) => [...table.rows].filter((row) => row.parentElement !== table.tHead);
  // The number of a footnote stays on the page, where the footnote is, and so does what a line opens to.
  const textOf = (cell) => {
    const copy = cell.cloneNode(true);
    for (const note of copy.querySelectorAll("a.note")) note.remove();
    for (const line of copy.querySelectorAll("details")) line.replaceWith(line.querySelector("summary") ?? "");
    return copy.textContent.trim().replace(/\s+/g, " ");
  };
  const isSlanted = (cell) => cell.querySelector(".known") !== null; // a figure that was measured nowhere here

  const asMarkdown = (table, name) => {
    // What testers and study files say is text there too, and neither HTML nor a link.
    const text = (cell) => textOf(cell).replace(/[\\|`*_~<>&[\]]/g, "\\$&");
    const written = (cell) => (isSlanted(cell) ? `*${text(cell)}*` : text(cell));
    const spread = (row) => [...row.cells].flatMap((cell) => Array(cell.colSpan).fill(written(cell)));
    const rows = bodyOf(table).map(spread);
    const heads = headOf(table).map(spread);
    // It has one row of heads: what stands over several columns is said before each.
    const head = (heads[0] ?? rows[0]).map((_, place) => heads.map((row) => row[place]).filter(Boolean).join(": "));
    const lines = [head, head.map(() => "---"), ...rows].map((row) => `| ${row.join(" | ")} |`);
    save(new Blob([lines.join("\n") + "\n"], { type: "text/markdown" }), `${name}.md`);
  };

  const SPECIAL = { "\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "…": "\\ldots{}" };
  // A row that begins with [ or * would be taken for a part of the line break before it.
  const escaped = (cell) => cell.replace(/[\\~^…]|[&%$#_{}]/g, (sign) => SPECIAL[sign] ?? `\\${sign}`)
    .replace(/^[[*]/, "{$&}");
  const asLatex = (table, name) => {
    const written = (cell) => {
      const text = isSlanted(cell) ? `\\emph{${escaped(textOf(cell))}}` : escaped(textOf(cell));
      return cell.colSpan > 1 ? `\\multicolumn{${cell.colSpan}}{l}{${text}}` : text;
    };
    const line = (row) => `${[...row.cells].map(written).join(" & ")} \\\\`;
    const first = table.tBodies[0]?.rows[0] ?? table.rows[0];
    const columns = [...first.cells].map((cell) => (cell.classList.contains("number") ? "r" : "l")).join("");
    const head = headOf(table).map(line);
    if (head.length) head.push("\\midrule");
    const lines = ["% needs \\usepackage{booktabs}", `\\begin{tabular}{${columns}}`, "\\toprule", ...head,
      ...bodyOf(table).map(line), "\\bottomrule", "\\end{tabular}"];
    save(new Blob([lines.join("\n") + "\n"], { type: "application/x-tex" }), `${name}.tex`);
  };

  const FORMS = { SVG: asSvg, PNG: asPng, LaTeX: asLatex, Markdown: asMarkdown };

  // One listener for all, since the results page makes its parts anew whenever there are votes.
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.(".take button");
    if (!button) return;
    const group = button.closest(".take");
    const what = group.parentElement.querySelector("svg, table");
    FORMS[button.textContent](what, slug(group.dataset.name));
  });
})();
