"use strict";
/* What the page adds where scripts run: tabs, sorting, filters, charts, and a reload while the session goes on.
   Where you are stands in the address behind `#`, so that a reload and a copied address show the same. */
(() => {
  const root = document.documentElement;
  const byId = (id) => document.getElementById(id);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const panels = all(".panel");
  const tabs = panels.map((panel) => byId("tab-" + panel.id));

  /* --- where you are --- */
  const here = { at: panels[0].id, sort: "", hide: "", find: "", open: "", shut: "", y: "", focus: "", hold: "" };
  const read = () => {
    const [at, ...rest] = location.hash.slice(1).split("&");
    for (const name of Object.keys(here)) here[name] = "";
    here.at = decoded(at) || panels[0].id;
    for (const part of rest) {
      const [name, value] = part.split("=");
      if (name in here) here[name] = decoded(value || "");
    }
  };
  const decoded = (text) => { try { return decodeURIComponent(text); } catch { return ""; } };
  const write = () => {
    const parts = Object.entries(here).filter(([name, value]) => name !== "at" && value);
    const hash = [here.at, ...parts.map(([name, value]) => name + "=" + encodeURIComponent(value))].join("&");
    history.replaceState(null, "", "#" + hash);
  };

  /* --- tabs --- */
  const show = (panel, focus) => {
    panels.forEach((one, index) => {
      const chosen = one === panel;
      one.classList.toggle("open", chosen);
      tabs[index].setAttribute("aria-selected", String(chosen));
      tabs[index].tabIndex = chosen ? 0 : -1;
      if (chosen && focus) tabs[index].focus();
      if (chosen) tabs[index].scrollIntoView({ block: "nearest", inline: "nearest" });
    });
    draw(panel);
  };
  const go = (id) => {
    const target = byId(id);
    const panel = target && target.closest(".panel");
    if (!panel) return show(panels[0]);
    show(panel);
    if (target === panel) return scrollTo(0, 0);
    for (let one = target; one; one = one.parentElement) if (one.tagName === "DETAILS") one.open = true;
    if (target.hidden) reset();
    all(".found").forEach((one) => one.classList.remove("found"));
    target.classList.add("found");
    target.scrollIntoView({ block: "start" });
  };
  const setUpTabs = () => {
    const list = tabs[0].closest("ul");
    list.setAttribute("role", "tablist");
    list.setAttribute("aria-label", "Parts of the report");
    tabs.forEach((tab, index) => {
      tab.parentElement.setAttribute("role", "presentation");
      tab.setAttribute("role", "tab");
      tab.setAttribute("aria-controls", panels[index].id);
      panels[index].setAttribute("role", "tabpanel");
      panels[index].setAttribute("aria-labelledby", tab.id);
      panels[index].tabIndex = 0;
      tab.addEventListener("click", (event) => { event.preventDefault(); choose(index, false); });
    });
    list.addEventListener("keydown", (event) => {
      const now = tabs.indexOf(document.activeElement);
      const next = { ArrowRight: now + 1, ArrowLeft: now - 1, Home: 0, End: tabs.length - 1, " ": now, Enter: now }[event.key];
      if (now < 0 || next === undefined) return;
      event.preventDefault();
      choose((next + tabs.length) % tabs.length, true);
    });
  };
  const choose = (index, focus) => {
    here.at = panels[index].id;
    show(panels[index], focus);
    if (scrollY > list_top()) scrollTo(0, list_top());
    write();
  };
  const setUpSkip = () => {
    document.querySelector("a.skip").addEventListener("click", (event) => {
      event.preventDefault(); // `#main` would take the place of the address of the tab
      document.querySelector(".panel.open").focus();
    });
  };
  const list_top = () => document.querySelector(".top").offsetHeight;

  /* --- sorting --- */
  const value = (row, column) => {
    const cell = row.cells[column];
    const raw = cell.dataset.v ?? cell.textContent.trim();
    if (!cell.classList.contains("n")) return raw.toLowerCase();
    const number = raw === "best" ? 0 : Number(raw.replace("−", "-"));
    return raw === "" || Number.isNaN(number) ? null : number;
  };
  const sort = (table, column, direction) => {
    const sign = direction === "descending" ? -1 : 1;
    const rows = [...table.tBodies[0].rows].map((row, index) => [value(row, column), index, row]);
    rows.sort(([one, i], [other, j]) => {
      if (one === null || other === null) return (one === null) - (other === null) || i - j;
      return sign * (typeof one === "number" ? one - other : one.localeCompare(other)) || i - j;
    });
    table.tBodies[0].append(...rows.map(([, , row]) => row));
    [...table.tHead.rows[0].cells].forEach((cell, index) => {
      if (index === column) cell.setAttribute("aria-sort", direction);
      else cell.removeAttribute("aria-sort");
    });
  };
  const setUpSorting = () => {
    for (const table of all("table.sortable")) {
      [...table.tHead.rows[0].cells].forEach((cell, column) => {
        const button = document.createElement("button");
        button.type = "button";
        button.id = table.id + "-" + column;
        button.textContent = cell.textContent;
        cell.replaceChildren(button);
        button.addEventListener("click", () => {
          const direction = cell.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
          sort(table, column, direction);
          const others = here.sort.split(" ").filter((one) => one && !one.startsWith(table.id + "."));
          here.sort = [...others, table.id + "." + column + "." + direction].join(" ");
          write();
        });
      });
    }
  };

  /* --- filters --- */
  const form = document.querySelector(".filters");
  const boxes = form ? all("input[type=checkbox]", form) : [];
  const search = byId("search");
  const filter = () => {
    const hidden = new Set(boxes.filter((box) => !box.checked).map((box) => box.value));
    const wanted = search.value.trim().toLowerCase();
    let shown = 0;
    for (const row of byId("table-board").tBodies[0].rows) {
      row.hidden = hidden.has(row.dataset.standing) || !row.cells[1].textContent.toLowerCase().includes(wanted);
      shown += !row.hidden;
    }
    byId("shown").textContent = shown;
    here.hide = [...hidden].join(" ");
    here.find = search.value;
  };
  const reset = () => { boxes.forEach((box) => { box.checked = true; }); search.value = ""; filter(); write(); };
  const setUpFilters = () => {
    if (!form) return;
    form.hidden = false;
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("input", () => { filter(); write(); });
  };

  /* --- what is open --- */
  const folds = all("details[id]");
  const usual = new Map(folds.map((one) => [one, one.open]));
  const remember = () => {
    const ids = (open) => folds.filter((one) => one.open === open && usual.get(one) !== open).slice(0, 40).map((one) => one.id);
    here.open = ids(true).join(" ");
    here.shut = ids(false).join(" ");
  };
  const setUpFolds = () => {
    for (const button of all("[data-open], [data-close]")) {
      button.addEventListener("click", () => {
        const panel = byId(button.dataset.open || button.dataset.close);
        all("details.chapter", panel).forEach((one) => { one.open = Boolean(button.dataset.open); });
      });
    }
    all(".tools").forEach((one) => { one.hidden = false; });
  };

  /* --- charts --- */
  const tip = byId("tip");
  const tooltip = (_handler, event, _item, told) => {
    tip.hidden = !told;
    if (!told) return;
    tip.textContent = Object.entries(told).map(([name, text]) => name + ": " + text).join("\n");
    const { width, height } = tip.getBoundingClientRect();
    tip.style.left = Math.max(4, Math.min(event.clientX + 12, innerWidth - width - 8)) + "px";
    tip.style.top = Math.max(4, Math.min(event.clientY + 12, innerHeight - height - 8)) + "px";
  };
  const draw = (panel) => {
    if (!window.vegaEmbed) return;
    for (const plot of all(".plot:not([data-drawn])", panel)) {
      plot.dataset.drawn = "";
      let spec;
      try { spec = JSON.parse(byId("spec-" + plot.dataset.chart).textContent); } catch { continue; } // never the page
      spec.description = plot.getAttribute("aria-label"); // which the library would replace with a name of its own
      vegaEmbed(plot, spec, { ast: true, actions: false, defaultStyle: false, renderer: "svg", tooltip });
    }
  };

  /* --- colours --- */
  const themes = ["automatic", "light", "dark"];
  const kept = { get: () => { try { return localStorage.getItem("theme"); } catch { return null; } },
                 set: (name) => { try { localStorage.setItem("theme", name); } catch { /* not allowed here */ } } };
  const paint = (name) => {
    if (name === "automatic") delete root.dataset.theme; else root.dataset.theme = name;
    byId("theme").textContent = "Colours: " + name;
  };
  const setUpColours = () => {
    let now = Math.max(0, themes.indexOf(kept.get()));
    paint(themes[now]);
    byId("theme").addEventListener("click", () => { now = (now + 1) % themes.length; paint(themes[now]); kept.set(themes[now]); });
  };

  /* --- a session that goes on --- */
  const showHeld = () => { byId("hold")?.setAttribute("aria-pressed", String(here.hold === "yes")); };
  const setUpRefresh = () => {
    const seconds = Number(document.body.dataset.refresh);
    if (!seconds) return;
    byId("hold").addEventListener("click", () => { here.hold = here.hold ? "" : "yes"; showHeld(); write(); });
    const busy = () => here.hold || document.hidden || document.activeElement === search || !getSelection().isCollapsed;
    setInterval(() => {
      if (busy()) return;
      remember();
      here.y = scrollY ? String(Math.round(scrollY)) : "";
      here.focus = document.activeElement.id || "";
      write();
      location.reload();
    }, seconds * 1000);
  };

  /* --- begin --- */
  root.classList.add("js");
  setUpTabs(); setUpSkip(); setUpSorting(); setUpFilters(); setUpFolds(); setUpColours();
  const restore = () => {
    read();
    boxes.forEach((box) => { box.checked = !here.hide.split(" ").includes(box.value); });
    if (search) { search.value = here.find; filter(); }
    for (const one of here.sort.split(" ").filter(Boolean)) {
      const [table, column, direction] = one.split(".");
      if (byId(table) && ["ascending", "descending"].includes(direction)) sort(byId(table), Number(column), direction);
    }
    for (const id of here.open.split(" ")) if (byId(id)) byId(id).open = true;
    for (const id of here.shut.split(" ")) if (byId(id)) byId(id).open = false;
    showHeld();
    go(here.at);
    if (here.y) scrollTo(0, Number(here.y));
    if (here.focus && byId(here.focus)) byId(here.focus).focus({ preventScroll: true });
  };
  history.scrollRestoration = "manual";
  restore();
  setUpRefresh();
  addEventListener("load", () => requestAnimationFrame(restore));  // the browser itself goes to what `#` names
  addEventListener("hashchange", restore);
  addEventListener("beforeprint", () => panels.forEach(draw));
})();
